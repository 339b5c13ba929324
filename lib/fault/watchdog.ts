/**
 * The watchdog: says on stderr when a page fault is not answered, or a call does not return, for some seconds, and who
 * holds what. It changes nothing: whatever keeps the thread may still end.
 *
 * It is a thread of its own, one for all mounts of the thread that mounts: the main thread may be asleep in that very
 * fault, and all fault workers in whatever keeps them, such as a host's disk that does not answer. Starting it costs
 * some milliseconds of another CPU with the first mount; after that it looks at some words of memory once a second.
 */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { describeThreads } from './describe-threads.js'
import { HeaderWord, type MachineHandle, MachineState, type WatchedMachine, openWatched } from './machine.js'
import { StuckThreads } from './stuck.js'

/** Looks within the limit, and the longest pause between two. */
const LOOKS = 5
const PAUSE_MAX_MS = 1000

let thread: Worker | undefined

/** Context: needs no event loop of the calling thread. A mount that is closed is forgotten. */
export function watchMount(handle: MachineHandle): void {
  if (handle.config.watchdogMs === 0) return
  thread ??= startThread()
  thread?.postMessage(handle)
}

/** Return: undefined when the host gives no thread: then nothing is told, and nothing else is lost. */
function startThread(): Worker | undefined {
  try {
    const worker = new Worker(new URL('./watchdog-thread.js', import.meta.url), {
      name: 'faultline watchdog',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 },
    })
    worker.unref()
    worker.on('error', () => (thread = undefined))
    return worker
  } catch {
    return undefined
  }
}

/** The watchdog's own side. */
export class Watchdog {
  readonly #mounts = new Set<WatchedMount>()
  #timer: NodeJS.Timeout | undefined

  watch(handle: MachineHandle): void {
    this.#mounts.add(new WatchedMount(handle))
    this.#restart()
  }

  #look(): void {
    for (const mount of this.#mounts) if (!mount.look(performance.now())) this.#mounts.delete(mount)
    if (this.#mounts.size === 0) this.#restart()
  }

  #restart(): void {
    clearInterval(this.#timer)
    if (this.#mounts.size === 0) return
    const pauses = [...this.#mounts].map(({ limitMs }) => limitMs / LOOKS)
    this.#timer = setInterval(() => this.#look(), Math.min(PAUSE_MAX_MS, ...pauses))
  }
}

class WatchedMount {
  readonly limitMs: number
  readonly #root: string
  readonly #machine: WatchedMachine
  readonly #stuck: StuckThreads

  constructor({ root, config, ...rest }: MachineHandle) {
    this.#root = root
    this.limitMs = config.watchdogMs
    this.#machine = openWatched({ root, config, ...rest })
    this.#stuck = new StuckThreads(this.#machine.words, this.#machine.threads, this.limitMs)
  }

  /** Return: false when there is nothing to watch any more. */
  look(now: number): boolean {
    const state = this.#machine.words.load(HeaderWord.State)
    if (state === MachineState.Closed || state === MachineState.Dead) return false
    const lines = this.#stuck.look(now)
    if (lines.length > 0) this.#tell(lines)
    return true
  }

  /** To stderr itself: what process.emitWarning says waits for the main thread's event loop. */
  #tell(lines: readonly string[]): void {
    const story = `${describeThreads(this.#machine)}\n`
    for (const line of lines) writeSync(2, `faultline: warning FAULTLINE_STUCK: ${line}; mount '${this.#root}'\n`)
    writeSync(2, story)
  }
}
