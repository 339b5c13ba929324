/**
 * A thread that makes no progress, with a watchdog that says so after a fraction of a second. argv: scenario, pool.
 * The locks are taken by hand: the state of a mount in which somebody does not let go.
 */
import { Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { isMainThread, workerData } from 'node:worker_threads'
import { type MountHandle, attach, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { report } from './report.js'

/** Long enough for a busy machine to start the thread that watches. */
const HELD_MS = 5000
const LIMIT_S = 0.3
const HELD = 1

const [scenario = '', pool = ''] = process.argv.slice(2)

/** Holds a lock for a while: in a thread of its own, for the main thread is the one that waits. */
function hold(handle: MountHandle, lock: number): void {
  const { words } = machineOf(attach(handle))
  words.store(lock, HELD)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HELD_MS)
  words.store(lock, 0)
  words.notify(lock)
}

function main(): void {
  const watchdog = scenario === 'off' ? 0 : LIMIT_S
  const pmem = mount(pool, { watchdog, faultWorkers: 1 })
  const file = pmem.open('a.pm', { create: true, size: 1 << 20 })
  const map = file.mmap()
  const bytes = new Uint8Array(map.buffer)
  bytes[0] = 1
  if (scenario === 'idle') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HELD_MS)
    for (let page = 0; page < 256; page++) bytes[page * 4096] = 1
    pmem.close()
    return
  }
  const { words, inodes } = machineOf(pmem)
  const lock = inodes.at(file.inode) + (scenario === 'fault' ? InodeWord.Pages : InodeWord.Sync)
  const holder = new Worker(fileURLToPath(import.meta.url), { workerData: { handle: pmem.handle, lock } })
  holder.unref()
  while (words.load(lock) !== HELD) words.wait(lock, 0, 1)
  // The main thread is asleep until the holder lets go; its event loop turns for nobody.
  if (scenario === 'fault') report({ byte: bytes[8192] })
  else file.sync()
  report({ done: true })
}

if (isMainThread) main()
else {
  const { handle, lock } = workerData as { handle: MountHandle; lock: number }
  hold(handle, lock)
}
