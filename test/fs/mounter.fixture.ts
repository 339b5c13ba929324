/** A Worker mounts and exits while the main thread, which attached, goes on. argv: pool. */
import { once } from 'node:events'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, attach, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2] })
  const [handle] = (await once(worker, 'message')) as [MountHandle]
  const pmem = attach(handle)
  const map = pmem.open('shared.pm').mmap()
  const before = map.tryRead(0, 1)[0]
  worker.postMessage('exit')
  await once(worker, 'exit')
  report({
    before,
    mapped: outcomeOf(() => map.tryRead(0, 1)).code,
    fresh: outcomeOf(() => map.tryRead(PAGE, 1)).code,
    open: outcomeOf(() => pmem.open('shared.pm')).code,
    close: outcomeOf(() => {
      pmem.close()
    }).code,
  })
} else {
  const pmem = mount(workerData as string)
  const file = pmem.open('shared.pm', { create: true })
  file.write(Buffer.alloc(2 * PAGE, 7), 0)
  file.sync()
  parentPort?.on('message', () => process.exit(0))
  parentPort?.postMessage(pmem.handle)
}
