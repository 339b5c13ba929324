/**
 * SharedWords whose every access is a step of the turnstile: the one seam through which kernel code is scheduled.
 *
 * Besides, each access is watched: plain ones for data races, those of lock words for unlocks by a stranger, waits for
 * an entry lock held.
 */
import type { StepWords } from '../support/step-words.js'
import { WordFlag } from './control.js'
import type { RaceDetector } from './race-detector.js'
import type { Turnstile } from './turnstile.js'

export class ScheduledWords implements StepWords {
  readonly length: number
  /** Word that counts the entry locks of the calling thread, 0 before it has one. */
  entryLocksAt = 0
  readonly #words: Int32Array
  #inStep = false

  /** owners: for each word the thread + 1 that took it from zero, as locks are. */
  constructor(
    buffer: SharedArrayBuffer,
    private readonly turnstile: Turnstile,
    private readonly races: RaceDetector,
    private readonly flags: Int32Array,
    private readonly owners: Int32Array,
    private readonly nameOf: (at: number) => string,
  ) {
    this.#words = new Int32Array(buffer)
    this.length = this.#words.length
  }

  get(at: number): number {
    if (this.turnstile.active) this.#plain(at, false)
    return this.#words[at] as number
  }

  set(at: number, value: number): void {
    if (this.turnstile.active) this.#plain(at, true)
    this.#words[at] = value
  }

  load(at: number): number {
    if (this.#isStep(at)) this.#step(at, false, true, false)
    return this.#words[at] as number
  }

  store(at: number, value: number): void {
    if (this.#isStep(at)) {
      this.#step(at, true, false, true)
      if (value === 0) this.owners[at] = 0
    }
    this.#words[at] = value
  }

  exchange(at: number, value: number): number {
    const scheduled = this.#isStep(at)
    if (scheduled) this.#step(at, true, true, true)
    const before = this.#words[at] as number
    if (scheduled && value === 0 && before !== 0) this.#release(at)
    if (scheduled && value !== 0 && before === 0) this.owners[at] = this.turnstile.me + 1
    this.#words[at] = value
    return before
  }

  cas(at: number, expected: number, desired: number): number {
    const scheduled = this.#isStep(at)
    const idle = this.turnstile.idle
    if (scheduled) this.#step(at, true, true, true)
    const before = this.#words[at] as number
    if (before === expected) {
      this.#words[at] = desired
      if (scheduled && expected === 0 && desired !== 0) this.owners[at] = this.turnstile.me + 1
    } else this.turnstile.changedNothing(idle)
    return before
  }

  add(at: number, delta: number): number {
    if (this.#isStep(at)) this.#step(at, true, true, true)
    const before = this.#words[at] as number
    this.#words[at] = before + delta
    return before
  }

  or(at: number, bits: number): number {
    if (this.#isStep(at)) this.#step(at, true, true, true)
    const before = this.#words[at] as number
    this.#words[at] = before | bits
    return before
  }

  and(at: number, bits: number): number {
    if (this.#isStep(at)) this.#step(at, true, true, true)
    const before = this.#words[at] as number
    this.#words[at] = before & bits
    return before
  }

  /** Timeouts are not taken: who waits is woken by a notify or never. */
  wait(at: number, expected: number): boolean {
    const { turnstile } = this
    if (!turnstile.active) throw new Error(`a wait on word ${at} outside an execution`)
    this.#step(at, true, true, false)
    if (this.#words[at] !== expected) return true
    const long = ((this.flags[at] as number) & WordFlag.Sleep) !== 0
    if (long && this.entryLocksAt !== 0 && this.#words[this.entryLocksAt] !== 0) {
      turnstile.fail('sleep with an entry lock', `thread ${turnstile.me} sleeps on ${this.nameOf(at)}`)
    }
    turnstile.sleep(at, expected)
    return true
  }

  notify(at: number, count = Infinity): number {
    const { turnstile } = this
    if (!turnstile.active) return 0
    this.#step(at, false, true, false)
    return turnstile.wake(at, count)
  }

  together<Result>(reads: readonly number[], writes: readonly number[], act: () => Result): Result {
    const { turnstile } = this
    if (!turnstile.active || this.#inStep) return act()
    let hot = false
    for (const at of reads) hot = turnstile.touch(at, false) || hot
    for (const at of writes) hot = turnstile.touch(at, true) || hot
    turnstile.pass(hot, writes.length > 0)
    this.#inStep = true
    try {
      return act()
    } finally {
      this.#inStep = false
    }
  }

  #isStep(at: number): boolean {
    return this.turnstile.active && ((this.flags[at] as number) & WordFlag.Ignored) === 0
  }

  #step(at: number, write: boolean, acquires: boolean, releases: boolean): void {
    if (!this.#inStep) this.turnstile.enter(at, write)
    const racing = this.races.atomic(at, acquires, releases)
    if (racing >= 0 && ((this.flags[at] as number) & (WordFlag.Racy | WordFlag.Silent)) === 0) this.#race(at, racing)
  }

  #plain(at: number, write: boolean): void {
    const flags = this.flags[at] as number
    if ((flags & (WordFlag.Silent | WordFlag.Ignored)) !== 0) return
    if ((flags & WordFlag.Racy) !== 0) {
      if (!this.#inStep) this.turnstile.enter(at, write)
      return
    }
    const racing = this.races.plain(at, write)
    if (racing >= 0) this.#race(at, racing)
  }

  #race(at: number, other: number): never {
    const { me } = this.turnstile
    this.turnstile.fail('race', `threads ${other} and ${me} on ${this.nameOf(at)}, one of them writes, no lock between`)
  }

  #release(at: number): void {
    const owner = this.owners[at] as number
    if (owner !== 0 && owner !== this.turnstile.me + 1) {
      const message = `thread ${this.turnstile.me} unlocks ${this.nameOf(at)}, which thread ${owner - 1} holds`
      this.turnstile.fail('unlock by a stranger', message)
    }
    this.owners[at] = 0
  }
}
