/** A process whose main thread exits while Workers fault. argv: pool. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, attach, mount } from '../../lib/index.js'

const SIZE = 512 << 20

function fault(): void {
  const bytes = new Uint8Array(
    attach(workerData as MountHandle)
      .open('a.pm')
      .mmap().buffer,
  )
  parentPort?.postMessage('faulting')
  for (let i = 0; ; i += 4096 + 97) bytes[i % SIZE] = i
}

async function main(): Promise<void> {
  const pmem = mount(process.argv[2] ?? '')
  pmem.open('a.pm', { create: true, size: SIZE })
  const workers = [0, 1, 2].map(() => new Worker(new URL(import.meta.url), { workerData: pmem.handle }))
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  await new Promise((resolve) => setTimeout(resolve, 50))
  process.exit(5)
}

if (isMainThread) await main()
else fault()
