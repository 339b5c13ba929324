/**
 * The watchdog: says on stderr when a page fault is not answered, or a call does not return, for some seconds, and who
 * holds what. It changes nothing: whatever keeps the thread may still end.
 *
 * It is a thread of its own, one for each mount: the main thread may be asleep in that very fault, and all fault
 * workers in whatever keeps them, such as a host's disk that does not answer. It looks at some words of memory once a
 * second; watchdog-start.ts says when it is started.
 */
import { writeSync } from 'node:fs'
import { describeThreads } from './describe-threads.js'
import { HeaderWord, type MachineHandle, MachineState, type WatchedMachine, openWatched } from './machine.js'
import { StuckThreads } from './stuck.js'

/** Looks within the limit, and the longest pause between two. */
const LOOKS = 5
const PAUSE_MAX_MS = 1000

/** Context: the watchdog's own thread. It ends when the mount is closed. */
export function watchMount(handle: MachineHandle): void {
  const mount = new WatchedMount(handle)
  const timer = setInterval(
    () => {
      if (!mount.look(performance.now())) clearInterval(timer)
    },
    Math.min(PAUSE_MAX_MS, handle.config.watchdogMs / LOOKS),
  )
}

class WatchedMount {
  readonly #root: string
  readonly #machine: WatchedMachine
  readonly #stuck: StuckThreads

  constructor({ root, config, ...rest }: MachineHandle) {
    this.#root = root
    this.#machine = openWatched({ root, config, ...rest })
    this.#stuck = new StuckThreads(this.#machine.words, this.#machine.threads, config.watchdogMs)
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
