/** Starting and stopping the fault workers of a mount. */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { PmemError } from '../errors.js'
import { AtomicWords } from '../sync/shared-words.js'
import { HeaderWord, type Machine } from './machine.js'

/** Generous: a loaded machine starts a thread in tens of milliseconds. */
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000

/**
 * The worker as one file, which starts in half the time of its hundred modules; `npm run build` makes it. Not so when
 * tsc was run by itself since: its notes are newer then (they are not published). Coverage is of modules.
 */
function workerFile(): URL {
  const modules = new URL('./fault-worker.js', import.meta.url)
  const bundle = new URL('./fault-worker.cjs', import.meta.url)
  if (process.env['NODE_V8_COVERAGE'] !== undefined) return modules
  const bundled = statSync(bundle, { throwIfNoEntry: false })
  const compiled = statSync(new URL('../../.tsbuildinfo', import.meta.url), { throwIfNoEntry: false })
  if (bundled === undefined) return modules
  return compiled === undefined || compiled.mtimeMs <= bundled.mtimeMs ? bundle : modules
}

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
  const file = workerFile()
  for (let i = 0; i < faultWorkers; i++) {
    const worker = new Worker(file, {
      workerData: handle,
      name: `faultline fault worker ${i + 1}`,
      // The parent's flags (inspectors, loaders, --require hooks) have no business in the fault path.
      execArgv: [],
      env: process.env,
    })
    // A forgotten mount must not keep the process alive.
    worker.unref()
  }
  waitFor(machine, HeaderWord.WorkersReady, faultWorkers, START_TIMEOUT_MS, 'start')
}

/** Context: sleeps until every worker has left its loop; nothing may fault afterwards. */
export function stopFaultWorkers(machine: Machine): void {
  const { words, addon, handle } = machine
  addon.signalEvent(words.load(HeaderWord.StopEvent))
  waitFor(machine, HeaderWord.WorkersGone, handle.config.faultWorkers, STOP_TIMEOUT_MS, 'stop')
}

function waitFor(machine: Machine, word: HeaderWord, target: number, timeoutMs: number, what: string): void {
  // Plain words: these waits must work on a dead mount too.
  const words = new AtomicWords(machine.handle.buffer)
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const now = words.load(word)
    if (now >= target) return
    const left = deadline - performance.now()
    if (left <= 0) {
      throw new PmemError('ETIMEDOUT', 'mount', `only ${now} of ${target} fault workers did ${what} in time`)
    }
    words.wait(word, now, left)
  }
}
