/** A thread that cannot load what it should run says so in shared words, and on stderr. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { AtomicWords } from '../sync/shared-words.js'
import type { FaultTask } from './fault-pool.js'
import { HeaderWord } from './machine.js'

/** Context: the thread of a fault worker; whoever mounts waits for it without an event loop. */
export function startFailed(error: unknown): void {
  const words = new AtomicWords((workerData as FaultTask).handle.buffer)
  writeSync(2, `faultline: a thread for page faults cannot run: ${String(error)}\n`)
  words.add(HeaderWord.WorkersFailed, 1)
  words.add(HeaderWord.WorkersGone, 1)
  words.notify(HeaderWord.WorkersGone)
  words.notify(HeaderWord.WorkersReady)
}
