/**
 * Finding threads that make no progress: inside a call, or serving page faults, for longer than a limit.
 *
 * Nobody is asked and nobody's clock is read: a thread record has a number that grows when its thread begins and ends
 * something (ThreadWord.Progress). Who has the same odd number at all looks for as long as the limit is stuck. Half of
 * that may pass between two looks at most: when the whole process was stopped, by Ctrl-Z or a freezer of containers,
 * nobody was stuck.
 */
import { type Threads, ThreadWord } from '../sync/threads.js'
import type { SharedWords } from '../sync/shared-words.js'
import { callName } from './call-names.js'

interface Seen {
  progress: number
  since: number
  told: boolean
}

export class StuckThreads {
  readonly #seen = new Map<number, Seen>()
  #now = 0
  #lookedAt: number | undefined

  constructor(
    private readonly words: SharedWords,
    private readonly threads: Threads,
    private readonly limitMs: number,
  ) {}

  /**
   * Look at all threads. Called a few times within the limit; at: milliseconds.
   * Return: a line for each thread that has become stuck, each once.
   */
  look(at: number): string[] {
    this.#now += Math.min(at - (this.#lookedAt ?? at), this.limitMs / 2)
    this.#lookedAt = at
    const now = this.#now
    const lines: string[] = []
    for (let id = 1; id <= this.threads.highest; id++) {
      const record = this.threads.at(id)
      const progress = this.words.load(record + ThreadWord.Progress)
      if (!this.threads.isAttached(id) || (progress & 1) === 0) {
        this.#seen.delete(id)
        continue
      }
      const seen = this.#seen.get(id)
      if (seen?.progress !== progress) this.#seen.set(id, { progress, since: now, told: false })
      else if (!seen.told && now - seen.since >= this.limitMs) {
        seen.told = true
        lines.push(this.#describe(record, now - seen.since))
      }
    }
    return lines
  }

  #describe(at: number, forMs: number): string {
    const word = (offset: ThreadWord): number => this.words.load(at + offset)
    const seconds = `${(forMs / 1000).toFixed(1)} s`
    if (word(ThreadWord.FaultWorker) === 1) {
      return `a page fault of thread ${word(ThreadWord.Faulting)} has not been answered for ${seconds}`
    }
    return `${callName(word(ThreadWord.Call))} of thread ${word(ThreadWord.KernelId)} has not returned for ${seconds}`
  }
}
