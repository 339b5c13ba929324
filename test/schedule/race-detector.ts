/**
 * Happens-before, by vector clocks: is every plain access ordered with every conflicting access of other threads?
 *
 * An atomic write releases the clock of its thread into the word, an atomic access acquires what the word holds. A
 * plain access that no chain of these orders after a conflicting one is a data race: the lock that should guard the
 * word was not held. Because plain accesses are found to be free of races in every explored execution, they need not be
 * steps: whatever another thread could do between two of them, it could do before or after all of them.
 *
 *   clocks   per word: 4 released clocks; then for plain writes, plain reads, atomic writes, atomic reads the clock of
 *            each thread at its last one. Nothing is reset between executions: clocks only grow
 */
import { THREADS_MAX } from './control.js'

const enum Clock {
  Released = 0,
  PlainWrite = 4,
  PlainRead = 8,
  AtomicWrite = 12,
  AtomicRead = 16,
  Size = 20,
}

export class RaceDetector {
  static wordsFor(words: number): number {
    return words * Clock.Size
  }

  readonly #clocks: Int32Array
  readonly #own = new Int32Array(THREADS_MAX)

  constructor(
    buffer: SharedArrayBuffer,
    private readonly me: number,
    private readonly threads: number,
  ) {
    this.#clocks = new Int32Array(buffer)
  }

  /** base: above every clock of earlier executions. Everything before this execution happened before it. */
  begin(base: number): void {
    this.#own.fill(base)
    this.#own[this.me] = base + 1
  }

  /** Return: the thread this atomic access races with, or -1. */
  atomic(at: number, acquires: boolean, releases: boolean): number {
    const clocks = this.#clocks
    const own = this.#own
    const word = at * Clock.Size
    if (acquires) {
      for (let j = 0; j < this.threads; j++) {
        const released = clocks[word + Clock.Released + j] as number
        if (released > (own[j] as number)) own[j] = released
      }
    }
    const racing = this.#newer(word + Clock.PlainWrite, releases ? word + Clock.PlainRead : 0)
    clocks[word + (releases ? Clock.AtomicWrite : Clock.AtomicRead) + this.me] = own[this.me] as number
    if (releases) {
      for (let j = 0; j < this.threads; j++) clocks[word + Clock.Released + j] = own[j] as number
      own[this.me] = (own[this.me] as number) + 1
    }
    return racing
  }

  /** Return: the thread this plain access races with, or -1. */
  plain(at: number, write: boolean): number {
    const word = at * Clock.Size
    let racing = this.#newer(word + Clock.PlainWrite, word + Clock.AtomicWrite)
    if (write && racing < 0) racing = this.#newer(word + Clock.PlainRead, word + Clock.AtomicRead)
    this.#clocks[word + (write ? Clock.PlainWrite : Clock.PlainRead) + this.me] = this.#own[this.me] as number
    return racing
  }

  /** Another thread whose clock at `first` or `second` (0: none) is not known to have happened before. */
  #newer(first: number, second: number): number {
    const clocks = this.#clocks
    const own = this.#own
    for (let j = 0; j < this.threads; j++) {
      if (j === this.me) continue
      const known = own[j] as number
      if ((clocks[first + j] as number) > known || (second !== 0 && (clocks[second + j] as number) > known)) return j
    }
    return -1
  }
}
