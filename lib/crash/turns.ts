/**
 * Looks of a judge, one after the other. A promise of the user's that takes too long may be kept during a later look,
 * or when there are none any more: what was to follow it is not done then, for it would work on another's image.
 */
import type { Recovered } from './judge.js'

const TOO_LATE: Recovered = { ok: false, oracle: 'time limit', message: 'recovery went on after its time limit' }

export class Turns {
  #turn = 0

  /** What waits for a promise is too late from here on. */
  end(): void {
    this.#turn++
  }

  /** next: what follows, now or when the promise is kept, unless that is too late. */
  then<Result>(
    result: Result | Promise<Result>,
    next: (result: Result) => Recovered | Promise<Recovered>,
  ): Recovered | Promise<Recovered> {
    if (!(result instanceof Promise)) return next(result)
    const isStill = this.now()
    return result.then((kept) => (isStill() ? next(kept) : TOO_LATE))
  }

  /** Return: a function that says whether it is not too late. */
  now(): () => boolean {
    const turn = this.#turn
    return () => turn === this.#turn
  }
}
