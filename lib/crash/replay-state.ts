/** A state of one moment, brought about again outside the exploration: for shrinking and for showing. */
import type { ChangedLine } from './changed-line.js'
import { TimeLimitError, settleWithin, withTimeLimit } from './guard.js'
import type { Complaint, Expectation, Judge } from './judge.js'
import { Timeline, type BaseImage, type Domain, type Moment } from './timeline.js'
import { expectationOf } from './exploration.js'
import type { StoreLog } from './store-log.js'

export class StateReplay {
  readonly moment: Moment
  readonly expectation: Expectation
  readonly #timeline: Timeline
  readonly #judge: Judge

  /** number: of the moment. The image is the base, and is again after `close`. */
  constructor(log: StoreLog, base: BaseImage, domain: Domain, judge: Judge, number: number) {
    this.#judge = judge
    this.#timeline = new Timeline(log, base, domain)
    let moment = this.#timeline.next() as Moment
    while (moment.number < number) moment = this.#timeline.next() as Moment
    this.moment = moment
    this.expectation = expectationOf(moment)
    for (const line of this.#timeline.lines) this.put(line, line.floor)
  }

  get lines(): readonly ChangedLine[] {
    return this.moment.lines
  }

  /** Every line stored to before the moment, with choices or not. */
  get allLines(): readonly ChangedLine[] {
    return this.#timeline.lines
  }

  put(line: ChangedLine, variant: number): void {
    if (line.chosen === variant) return
    line.chosen = variant
    this.#judge.put(line, variant)
  }

  /** Put a state: for each of `lines` the number of its choice. */
  choose(choices: readonly number[]): void {
    for (const [i, line] of this.lines.entries()) {
      this.put(line, line.choices[choices[i] as number]?.variant ?? line.floor)
    }
  }

  /** Recover from the image as it is, and check, each within `timeLimit` ms. Return: what is wrong. */
  async look(timeLimit: number): Promise<Complaint | undefined> {
    try {
      const limit = this.#judge.limitsItself === true ? 0 : timeLimit
      const recovering = withTimeLimit(limit, () => this.#judge.recover())
      const recovered = recovering instanceof Promise ? await settleWithin(timeLimit, recovering) : recovering
      if (!recovered.ok) return recovered
      const checking = withTimeLimit(limit, () => this.#judge.check(recovered.state, this.expectation))
      return checking instanceof Promise ? await settleWithin(timeLimit, checking) : checking
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error
      return { oracle: 'time limit', message: `recovery ${error.message}` }
    }
  }

  close(): void {
    for (const line of this.#timeline.lines) this.put(line, 0)
  }
}
