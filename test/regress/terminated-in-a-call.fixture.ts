/** A Worker is terminated inside a call, or after it has mounted. argv: scenario, pool. Reports what the others get. */
import { once } from 'node:events'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, type Pmem, attach, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { mutexLock, mutexUnlock } from '../../lib/sync/mutex.js'
import { outcomeOf, report } from '../fs/report.js'

const SIZE = 1 << 20

interface Job {
  readonly scenario: string
  readonly pool: string
  readonly handle?: MountHandle
}

/** What a thread that goes on gets, and whether the pool is as it was promised to be. */
function reportRest(pmem: Pmem, pool: string, call: () => unknown): void {
  const map = pmem.open.bind(pmem)
  const outcome = outcomeOf(call)
  const open = outcomeOf(() => map('a.pm'))
  const close = outcomeOf(() => {
    pmem.close()
  })
  report({ outcome, open, close, ...remount(pool) })
}

function remount(pool: string): Record<string, unknown> {
  const again = mount(pool)
  const byte = new Uint8Array(again.open('a.pm').mmap().buffer)[0]
  again.close()
  return { remounted: true, byte }
}

function startWorker(job: Job): Worker {
  return new Worker(new URL(import.meta.url), { workerData: job })
}

/** The Worker sleeps in fsync, holding the freeze shared; then somebody wants it exclusively. */
async function terminatedInCall(pool: string): Promise<void> {
  const pmem = mount(pool)
  const file = pmem.open('a.pm', { create: true, size: SIZE })
  const map = file.mmap()
  map.tryWrite(0, Uint8Array.of(7))
  map.msync()
  const { words, inodes } = machineOf(pmem)
  const sync = inodes.at(file.inode) + InodeWord.Sync
  mutexLock(words, sync)
  const worker = startWorker({ scenario: 'in-call', pool, handle: pmem.handle })
  await once(worker, 'message')
  // It has said what it does next, and sleeps in it soon after.
  await new Promise((resolve) => setTimeout(resolve, 300))
  await worker.terminate()
  mutexUnlock(words, sync)
  reportRest(pmem, pool, () => pmem.crash())
}

async function mounterTerminated(pool: string, attached: boolean): Promise<void> {
  const worker = startWorker({ scenario: 'mounts', pool })
  const [handle] = (await once(worker, 'message')) as [MountHandle]
  if (!attached) {
    await worker.terminate()
    report(remount(pool))
    return
  }
  const pmem = attach(handle)
  const map = pmem.open('a.pm').mmap()
  const before = map.tryRead(0, 1)[0]
  await worker.terminate()
  report({ before })
  reportRest(pmem, pool, () => map.tryRead(SIZE / 2, 1))
}

async function main(): Promise<void> {
  const [scenario = '', pool = ''] = process.argv.slice(2)
  if (scenario === 'in-call') await terminatedInCall(pool)
  else await mounterTerminated(pool, scenario === 'mounts-for-others')
}

function work({ scenario, pool, handle }: Job): void {
  if (scenario === 'mounts') {
    const pmem = mount(pool)
    const map = pmem.open('a.pm', { create: true, size: SIZE }).mmap()
    map.tryWrite(0, Uint8Array.of(7))
    map.msync()
    map.tryWrite(SIZE - 1, Uint8Array.of(7))
    parentPort?.postMessage(pmem.handle)
    setInterval(() => map.tryRead(0, 1), 10)
    return
  }
  const file = attach(handle as MountHandle).open('a.pm')
  file.mmap().tryWrite(8192, Uint8Array.of(1))
  parentPort?.postMessage('next')
  file.sync()
}

if (isMainThread) await main()
else work(workerData as Job)
