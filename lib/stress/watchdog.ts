/** Nothing may hang: who has done nothing for too long, and what it was doing. */
import { type Control, ThreadState } from './control.js'

interface Seen {
  progress: number
  since: number
}

export class Watchdog {
  readonly #seen: Seen[]

  /** limitMs: longer than the slowest operation takes on a loaded machine. */
  constructor(
    private readonly control: Control,
    private readonly limitMs: number,
  ) {
    this.#seen = Array.from({ length: control.threads }, () => ({ progress: -1, since: 0 }))
  }

  /**
   * Called now and then. A thread at a barrier is excused while another one works: that one is who everybody waits for.
   * now: milliseconds. Return: what every thread is doing when one is stuck, or all wait for each other.
   */
  look(now: number): string | undefined {
    const idle = this.#seen.map((seen, thread) => {
      const { progress, state } = this.control.look(thread)
      if (progress !== seen.progress || state === ThreadState.Done || state === ThreadState.Starting) {
        seen.progress = progress
        seen.since = now
      }
      return { thread, state, forMs: now - seen.since }
    })
    const stuck = idle.filter(({ forMs }) => forMs >= this.limitMs)
    const working = stuck.filter(({ state }) => state === ThreadState.Working)
    if (working.length === 0 && stuck.length < this.control.threads) return undefined
    const lines = idle.map(
      ({ thread, forMs }) => `  ${this.control.describe(thread)}; the same for ${(forMs / 1000).toFixed(1)} s`,
    )
    return [`no progress for ${this.limitMs / 1000} s`, ...lines].join('\n')
  }
}
