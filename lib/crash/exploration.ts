/**
 * One exploration: moments, their states, images by name, and what the judge says of each.
 *
 *   state    what an engine yields: a variant of each line. Several states may be one image.
 *   image    distinct content. It is recovered once, however often it is met.
 *   found    what recovery made of it (the semantic state), by key. It is checked once for each expectation.
 *
 * It is a machine that is stepped: `run` works until a deadline, a budget or a promise of the judge's stops it. What
 * stopped it, even the engine of JavaScript itself (a time limit), leaves it between two steps, so that it can go on.
 * Everything is a function of the log and the options: the n-th look at an image is the same one in every run, which
 * is what resuming and isolating rest on (journal.ts).
 */
import type { ChangedLine } from './changed-line.js'
import { ImageTable } from './image-table.js'
import type { Complaint, Expectation, Judge, Recovered } from './judge.js'
import { NAME_WORDS } from './line-hash.js'
import { type Engine, StateSpace } from './state-space.js'
import type { Moment, Timeline } from './timeline.js'

/** A state that failed, in the words of the timeline. */
export interface FailingState extends Complaint {
  /** Number of the look, from 0. */
  readonly look: number
  readonly moment: number
  readonly op: number
  /** Of the moment's lines: which variant. */
  readonly variants: readonly (readonly [line: number, variant: number])[]
  readonly lost: number
  readonly kept: number
}

export interface Counts {
  moments: number
  /** States the engine visited. */
  states: number
  /** Distinct images among them, of this shard. */
  images: number
  /** Of these, images that fail at a moment that can leave them. */
  bad: number
  /** Images that were recovered from or judged anew for another expectation: what the work is. */
  looks: number
  /** Distinct results of recovery; 0 without a recover function. */
  semantic: number
}

export interface ExplorationOptions {
  readonly engine: Engine
  /** This exploration looks at images whose name is `index` modulo `count`. */
  readonly shard?: { readonly index: number; readonly count: number }
  readonly maxStates?: number
  readonly maxFailures?: number
  readonly maxBad?: number
  /** Of a look in an earlier run that is being resumed: its outcome; undefined: look now. */
  readonly recall?: (look: number) => Outcome | undefined
  readonly onLook?: (look: number) => void
  readonly onOutcome?: (look: number, outcome: Outcome) => void
}

/** What came of one look. */
export interface Outcome {
  readonly complaint?: Complaint | undefined
  /** Of what recovery found. */
  readonly key?: string | undefined
  /** It failed in recovery, so the expectation does not matter. */
  readonly inRecovery?: boolean | undefined
}

export type RunStatus = 'done' | 'paused' | 'states' | 'bad images' | Promise<void>

/** Failures kept in full: the smallest ones. */
const FAILURES_KEPT = 64
/** Operations between two moments that are replayed in one go: a time limit may be on it. */
const FAR = 10_000

export class Exploration {
  readonly counts: Counts = { moments: 0, states: 0, images: 0, bad: 0, looks: 0, semantic: 0 }
  readonly failures: FailingState[] = []
  /** Choices of a line were too many and some were left out. */
  truncated = false
  readonly #timeline: Timeline
  readonly #judge: Judge
  readonly #options: ExplorationOptions
  readonly #images = new ImageTable()
  readonly #name = new Int32Array(NAME_WORDS)
  readonly #bad: boolean[] = []
  /** By image: the number of what recovery found, -1: nothing known, -2: recovery failed. */
  readonly #foundOf: number[] = []
  readonly #found = new Map<string, number>()
  readonly #foundStates: unknown[] = []
  readonly #keys: string[] = []
  /** By found · 2^20 + epoch, or by image in the same way without recovery. */
  readonly #verdicts = new Map<number, Complaint | undefined>()
  readonly #recoveryFailures = new Map<number, Complaint>()
  readonly #readsOf = new Map<number, readonly ChangedLine[]>()
  readonly #linesRead = new Set<ChangedLine>()
  #moment: Moment | undefined
  #states: Generator<void, void> | undefined
  #looking = -1

  constructor(timeline: Timeline, judge: Judge, options: ExplorationOptions) {
    this.#timeline = timeline
    this.#judge = judge
    this.#options = options
  }

  /** A look has begun and not ended: a recovery or a check that was stopped. */
  get isLooking(): boolean {
    return this.#looking >= 0
  }

  /** Work until done, or until performance.now() passes the deadline, or the states of the budget are used up. */
  run(deadline: number): RunStatus {
    for (;;) {
      if (this.counts.states >= (this.#options.maxStates ?? Infinity)) return 'states'
      if (this.counts.bad >= (this.#options.maxBad ?? Infinity)) return 'bad images'
      if (performance.now() > deadline) return 'paused'
      const next = this.#nextState(deadline === Infinity ? Infinity : FAR)
      if (next === 'far') return 'paused'
      if (!next) return 'done'
      const waiting = this.#visit()
      if (waiting !== undefined) return waiting
    }
  }

  /** The look that was stopped from outside ended like this. */
  endLook(complaint: Complaint): void {
    const image = this.#looking
    this.#looking = -1
    this.#foundOf[image] = -2
    this.#recoveryFailures.set(image, complaint)
    this.#outcome(image, { complaint, inRecovery: true })
  }

  /** Return: is there one? 'far': more than so many operations lie before the moment it belongs to. */
  #nextState(far: number): boolean | 'far' {
    while (this.#states === undefined || this.#states.next().done === true) {
      const before = this.#moment
      if (before !== undefined) {
        for (const line of before.lines) for (const { variant } of line.choices) line.seenAt[variant] = before.number
      }
      if (!this.#timeline.approach(far)) return 'far'
      const moment = this.#timeline.next()
      if (moment === undefined) return false
      this.#enter(moment)
    }
    this.counts.states++
    return true
  }

  #enter(moment: Moment): void {
    this.#moment = moment
    this.counts.moments++
    this.#linesRead.clear()
    // What is durable by now is so in every image; lines that are pending get their choices from the engine.
    for (const line of moment.settled) if (line.chosen !== line.floor) this.#put(line, line.floor)
    for (const line of moment.lines) this.truncated ||= line.truncated
    const space = new StateSpace(moment, (line, variant) => this.#put(line, variant), this.#linesRead)
    this.#states = this.#options.engine(space)
  }

  #put(line: ChangedLine, variant: number): void {
    const { names } = line
    const from = line.chosen * NAME_WORDS
    const to = variant * NAME_WORDS
    for (let i = 0; i < NAME_WORDS; i++) {
      this.#name[i] = (this.#name[i] as number) ^ (names[from + i] as number) ^ (names[to + i] as number)
    }
    line.chosen = variant
    this.#judge.put(line, variant)
  }

  #visit(): Promise<void> | undefined {
    const { shard } = this.#options
    if (shard !== undefined && ((this.#name[2] as number) >>> 0) % shard.count !== shard.index) return undefined
    const image = this.#images.add(this.#name)
    if (image === this.#foundOf.length) {
      this.counts.images++
      this.#foundOf.push(-1)
      this.#bad.push(false)
    }
    const known = this.#verdictOf(image)
    for (const line of this.#readsOf.get(image) ?? []) this.#linesRead.add(line)
    if (known !== null) {
      this.#judged(image, known)
      return undefined
    }
    return this.#look(image)
  }

  /** Return: what was said of the image under this expectation; null: nothing yet. */
  #verdictOf(image: number): Complaint | undefined | null {
    const failed = this.#recoveryFailures.get(image)
    if (failed !== undefined) return failed
    const key = this.#verdictKey(image)
    return this.#verdicts.has(key) ? this.#verdicts.get(key) : null
  }

  #verdictKey(image: number): number {
    const found = this.#foundOf[image] as number
    const epoch = (this.#moment as Moment).epoch
    // Even numbers are what recovery found, odd ones images that are judged as they are.
    return (found >= 0 ? found * 2 : image * 2 + 1) * 2 ** 20 + epoch
  }

  #look(image: number): Promise<void> | undefined {
    const look = this.counts.looks++
    const recalled = this.#options.recall?.(look)
    if (recalled !== undefined) {
      this.#recall(image, recalled)
      return undefined
    }
    this.#options.onLook?.(look)
    this.#looking = image
    this.#judge.forgetReads?.()
    const found = this.#foundOf[image] as number
    if (found >= 0 && this.#foundStates[found] !== undefined) return this.#check(image, this.#foundStates[found])
    const recovered = this.#judge.recover()
    if (recovered instanceof Promise) {
      return recovered.then((result) => (this.#isStill(look) ? this.#recovered(image, result) : undefined))
    }
    return this.#recovered(image, recovered)
  }

  /** A promise that took too long may still be kept: too late. */
  #isStill(look: number): boolean {
    return this.#looking >= 0 && this.counts.looks - 1 === look
  }

  #recall(image: number, { complaint, key, inRecovery }: Outcome): void {
    if (key !== undefined) this.#foundOf[image] = this.#foundNumber(key, undefined)
    if (inRecovery === true && complaint !== undefined) {
      this.#foundOf[image] = -2
      this.#recoveryFailures.set(image, complaint)
    } else this.#verdicts.set(this.#verdictKey(image), complaint)
    this.#judged(image, complaint)
  }

  #recovered(image: number, recovered: Recovered): Promise<void> | undefined {
    if (!recovered.ok) {
      this.endLook(recovered)
      return undefined
    }
    const { state, key } = recovered
    if (key !== undefined) {
      this.#foundOf[image] = this.#foundNumber(key, state)
      const known = this.#verdictOf(image)
      if (known !== null) {
        this.#keepReads(image)
        this.#looking = -1
        this.#outcome(image, { complaint: known, key })
        return undefined
      }
    }
    return this.#check(image, state)
  }

  #foundNumber(key: string, state: unknown): number {
    let number = this.#found.get(key)
    if (number === undefined) {
      number = this.#foundStates.push(state) - 1
      this.#found.set(key, number)
      this.#keys.push(key)
      this.counts.semantic++
    }
    this.#foundStates[number] ??= state
    return number
  }

  #check(image: number, state: unknown): Promise<void> | undefined {
    const moment = this.#moment as Moment
    const result = this.#judge.check(state, moment)
    const look = this.counts.looks - 1
    if (result instanceof Promise) {
      return result.then((complaint) => {
        if (this.#isStill(look)) this.#checked(image, complaint)
      })
    }
    this.#checked(image, result)
    return undefined
  }

  #checked(image: number, complaint: Complaint | undefined): void {
    this.#keepReads(image)
    this.#looking = -1
    this.#verdicts.set(this.#verdictKey(image), complaint)
    const found = this.#foundOf[image] as number
    this.#outcome(image, { complaint, key: found >= 0 ? this.#keys[found] : undefined })
  }

  #keepReads(image: number): void {
    const judge = this.#judge
    if (judge.wasRead === undefined) return
    const read = this.#timeline.lines.filter((line) => judge.wasRead?.(line))
    const before = this.#readsOf.get(image) ?? []
    this.#readsOf.set(image, [...new Set([...before, ...read])])
    for (const line of read) this.#linesRead.add(line)
  }

  #outcome(image: number, outcome: Outcome): void {
    this.#options.onOutcome?.(this.counts.looks - 1, outcome)
    this.#judged(image, outcome.complaint)
  }

  #judged(image: number, complaint: Complaint | undefined): void {
    if (complaint === undefined) return
    if (this.#bad[image] !== true) {
      this.#bad[image] = true
      this.counts.bad++
    }
    this.#keepFailure(complaint)
  }

  /** The smallest are kept: those that differ least from losing, or from keeping, everything that is pending. */
  #keepFailure(complaint: Complaint): void {
    const moment = this.#moment as Moment
    let lost = 0
    let kept = 0
    const variants = moment.lines.map((line) => {
      const has = line.choices.find(({ variant }) => variant === line.chosen)?.kept
      for (const [i, atom] of line.pending.entries()) {
        if (has?.[i] === true) kept += atom.certain ? 0 : 1
        else lost++
      }
      return [line.index, line.chosen] as const
    })
    const { oracle, message } = complaint
    const look = this.counts.looks - 1
    const failure = { oracle, message, look, moment: moment.number, op: moment.op, variants, lost, kept }
    const limit = this.#options.maxFailures ?? FAILURES_KEPT
    const place = this.failures.findIndex((other) => sizeOf(other) > sizeOf(failure))
    if (place < 0 && this.failures.length >= limit) return
    this.failures.splice(place < 0 ? this.failures.length : place, 0, failure)
    if (this.failures.length > limit) this.failures.pop()
  }
}

export function sizeOf({ lost, kept }: { lost: number; kept: number }): number {
  return Math.min(lost, kept)
}

/** The expectation of a moment, apart from the timeline that goes on. */
export function expectationOf({ acknowledged, operation, completed }: Moment): Expectation {
  return { acknowledged: new Set(acknowledged), operation, completed }
}
