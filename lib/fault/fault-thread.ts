/**
 * The thread of a fault worker: loads it, which starts it. Who mounts waits for it without its event loop, so a thread
 * that cannot load its modules (no descriptor, no memory) says so in shared words.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { AtomicWords } from '../sync/shared-words.js'
import type { FaultTask } from './fault-pool.js'
import { HeaderWord } from './machine.js'

// No await: the bundle this becomes part of is no module.
import('./fault-worker.js').catch((error: unknown) => {
  const words = new AtomicWords((workerData as FaultTask).handle.buffer)
  writeSync(2, `faultline: a thread for page faults cannot run: ${String(error)}\n`)
  words.add(HeaderWord.WorkersFailed, 1)
  words.add(HeaderWord.WorkersGone, 1)
  words.notify(HeaderWord.WorkersGone)
  words.notify(HeaderWord.WorkersReady)
})
