/** Starting and stopping the fault workers of a mount. */
import { Worker } from 'node:worker_threads'
import { PmemError } from '../errors.js'
import { AtomicWords } from '../sync/shared-words.js'
import { lostWorkers } from './lost-thread.js'
import { HeaderWord, type Machine } from './machine.js'

/** Generous: a loaded machine starts a thread in tens of milliseconds. */
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
/** How often a wait looks whether workers are gone that will not say so: those of a Worker that was terminated. */
const LOST_CHECK_MS = 100

/**
 * Start the workers and wait until all of them read faults. A fault before that would sleep for ever, since the thread
 * it puts to sleep may be the one whose event loop a late import needs.
 *
 * Context: sleeps; the calling thread's event loop is not needed.
 * Errors: ETIMEDOUT when they do not come up.
 */
export function startFaultWorkers(machine: Machine): void {
  const { handle } = machine
  const { faultWorkers } = handle.config
  for (let i = 0; i < faultWorkers; i++) {
    const worker = new Worker(new URL('./fault-worker.js', import.meta.url), {
      workerData: handle,
      name: `faultline fault worker ${i + 1}`,
      // The parent's flags (inspectors, loaders, --require hooks) have no business in the fault path.
      execArgv: [],
      env: process.env,
    })
    // A forgotten mount must not keep the process alive.
    worker.unref()
  }
  waitFor(machine, HeaderWord.WorkersReady, faultWorkers, START_TIMEOUT_MS)
}

/** Context: sleeps until every worker has left its loop; nothing may fault afterwards. */
export function stopFaultWorkers(machine: Machine): void {
  const { words, addon, handle } = machine
  addon.signalEvent(words.load(HeaderWord.StopEvent))
  waitFor(machine, HeaderWord.WorkersGone, handle.config.faultWorkers, STOP_TIMEOUT_MS)
}

function waitFor(machine: Machine, word: HeaderWord, target: number, timeoutMs: number): void {
  const stopping = word === HeaderWord.WorkersGone
  // Plain words: these waits must work on a dead mount too.
  const words = new AtomicWords(machine.handle.buffer)
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const now = words.load(word)
    if (now >= target) return
    const left = deadline - performance.now()
    if (left <= 0) {
      const what = stopping ? 'stop' : 'start'
      throw new PmemError('ETIMEDOUT', 'mount', `only ${now} of ${target} fault workers did ${what} in time`)
    }
    if (words.wait(word, now, Math.min(left, LOST_CHECK_MS))) continue
    if (stopping && now + lostWorkers(words, machine.threads) >= target) return
  }
}
