/**
 * When the watchdog of a mount is started, and by whom: a thread takes tens of milliseconds of a CPU to start, which
 * neither mount nor the first fault should wait for. So a fault worker starts it when it has had nothing to do for a
 * while. It must not come too late either: the last worker that is free starts it before it serves a fault, for what
 * keeps all of them (a host's disk that does not answer) may keep them for ever. Main thread and callers are no help:
 * they may be asleep in that very fault.
 *
 * HeaderWord.Busy counts workers that serve, until there is a watchdog; whoever makes HeaderWord.Watched 1 starts it.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { AtomicWords } from '../sync/shared-words.js'
import { HeaderWord, type MachineHandle } from './machine.js'
import { threadFile } from './thread-file.js'

/** A worker that has nothing to do looks at least as often as this share of the limit. */
const QUIET_SHARE = 0.2

/** One worker's part in it. Context: all methods: the thread of the worker. */
export class WatchdogStart {
  readonly #handle: MachineHandle
  /** Plain words: nothing here waits. */
  readonly #words: AtomicWords
  #isBusy = false
  #isDone: boolean

  constructor(handle: MachineHandle) {
    this.#handle = handle
    this.#words = new AtomicWords(handle.buffer)
    this.#isDone = handle.config.watchdogMs === 0
  }

  /** How long the worker may sleep: a mount with a short limit must be watched soon. Return: ms, at most `longest`. */
  pollMs(longest: number): number {
    if (this.#isDone) return longest
    return Math.min(longest, Math.ceil(this.#handle.config.watchdogMs * QUIET_SHARE))
  }

  /** Before faults are served. */
  begin(): void {
    if (this.#isDone) return
    if (this.#words.load(HeaderWord.Watched) === 1) {
      this.#isDone = true
      return
    }
    this.#isBusy = true
    if (this.#words.add(HeaderWord.Busy, 1) + 1 === this.#handle.config.faultWorkers) this.#start()
  }

  end(): void {
    if (!this.#isBusy) return
    this.#isBusy = false
    this.#words.add(HeaderWord.Busy, -1)
  }

  /** The worker has slept for pollMs, and nobody faulted. */
  idle(): void {
    if (!this.#isDone) this.#start()
  }

  /** Without a thread from the host nothing is told, and nothing else is lost. */
  #start(): void {
    this.#isDone = true
    if (this.#words.exchange(HeaderWord.Watched, 1) === 1) return
    try {
      const worker = new Worker(threadFile(new URL('./watchdog-thread.js', import.meta.url)), {
        workerData: this.#handle,
        name: 'faultline watchdog',
        execArgv: [],
        env: SHARE_ENV,
        resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 },
      })
      // It goes with this worker.
      worker.unref()
      worker.on('error', () => undefined)
    } catch {
      return
    }
  }
}
