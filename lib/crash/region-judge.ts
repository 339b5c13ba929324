/**
 * Images in plain memory: a line of the image is 16 words in place, recovery works on the image itself and what it
 * stored is taken back. So an image costs the bytes that change, and the size of the region costs nothing.
 *
 * Recovery is watched as the program was: its own stores make a log, and crash states of that log are explored in turn
 * (once: not those of the recovery from these). Recovering from each must find what recovery without a crash found.
 */
import type { ChangedLine } from './changed-line.js'
import type { CrashTest } from './crash-test.js'
import { deviating } from './engines/deviating.js'
import { Exploration } from './exploration.js'
import type { Complaint, Expectation, Judge, Recovered } from './judge.js'
import { LINE_WORDS } from './line-hash.js'
import { Region } from './region.js'
import { stateKey } from './state-key.js'
import { type BaseImage, Timeline, type Domain } from './timeline.js'
import { Turns } from './turns.js'
import { complaintOf, recoveredBy } from './user-calls.js'
import { watchedImage } from './watched-image.js'
import { Page } from '../constants.js'

/** Crash states of one recovery that are looked at. */
const NESTED_STATES_MAX = 256
/** Bytes of a region from which on its memory is of the other kind. */
const LARGE = 1 << 24

export interface RegionJudgeOptions {
  readonly idempotent: boolean
  readonly timeLimit: number
  readonly domain: Domain
  /** Tell which lines are loaded, for the guided engine. */
  readonly watchReads: boolean
}

/** Memory of whole lines, of which `size` bytes are the region. */
export class RegionMemory implements BaseImage {
  readonly bytes: Buffer
  readonly words: Int32Array

  constructor(size: number) {
    const whole = Math.ceil(size / Page.LineSize) * Page.LineSize
    // V8 takes a large ArrayBuffer for memory in use and collects garbage for it, milliseconds each time. Of shared
    // ones it keeps no account, and either commits only what is touched.
    const buffer = size < LARGE ? new ArrayBuffer(whole) : new SharedArrayBuffer(whole)
    this.bytes = Buffer.from(buffer, 0, size)
    this.words = new Int32Array(buffer)
  }

  readLine(_file: number, offset: number, into: Int32Array): void {
    const from = offset / 4
    for (let i = 0; i < LINE_WORDS; i++) into[i] = this.words[from + i] as number
  }

  put(line: ChangedLine, variant: number): void {
    const { contents } = line
    const from = variant * LINE_WORDS
    const to = line.offset / 4
    for (let i = 0; i < LINE_WORDS; i++) this.words[to + i] = contents[from + i] as number
  }
}

export class RegionJudge<State> implements Judge {
  readonly wasRead?: (line: ChangedLine) => boolean
  readonly forgetReads?: () => void
  readonly #test: CrashTest<Region, State>
  readonly #memory: RegionMemory
  #region: Region
  /** For recoveries of what a recovery left. */
  #nestedRegion: Region
  /** Of a look that has begun and not ended, whatever became of it. */
  #isEntered = false
  readonly #options: RegionJudgeOptions
  readonly #image: Buffer
  readonly #turns = new Turns()
  readonly #onLoad: ((offset: number, length: number) => void) | undefined

  constructor(test: CrashTest<Region, State>, memory: RegionMemory, options: RegionJudgeOptions) {
    this.#test = test
    this.#memory = memory
    this.#options = options
    this.#region = new Region(memory.bytes)
    this.#nestedRegion = new Region(memory.bytes)
    this.#image = memory.bytes
    if (!options.watchReads) return
    const read = new Set<number>()
    const onLoad = (offset: number, length: number): void => {
      for (let line = Math.floor(offset / Page.LineSize); line * Page.LineSize < offset + length; line++) read.add(line)
    }
    this.#image = watchedImage(memory.bytes, onLoad)
    this.#onLoad = onLoad
    this.#region.watchLoads(onLoad, this.#image)
    this.wasRead = (line) => read.has(line.number)
    this.forgetReads = () => read.clear()
  }

  put(line: ChangedLine, variant: number): void {
    this.#memory.put(line, variant)
  }

  recover(): Recovered | Promise<Recovered> {
    this.#turns.end()
    if (this.#test.recover === undefined) return { ok: true, state: this.#image }
    if (this.#isEntered) this.#abandon()
    this.#isEntered = true
    return this.#turns.then(this.#recoverIn(this.#region), (result) => this.#afterRecovery(result))
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined> {
    return complaintOf('invariant', this.#options.timeLimit, () => this.#test.check?.(state as State, expectation))
  }

  /** A time limit stopped the look before; what it was about may go on all the same, and must find nothing. */
  #abandon(): void {
    for (const region of [this.#region, this.#nestedRegion]) {
      region.rewind()
      region.end()
    }
    this.#region = new Region(this.#memory.bytes)
    this.#nestedRegion = new Region(this.#memory.bytes)
    if (this.#onLoad !== undefined) this.#region.watchLoads(this.#onLoad, this.#image)
  }

  #recoverIn(region: Region): Recovered | Promise<Recovered> {
    return recoveredBy(this.#options.timeLimit, () => this.#test.recover?.(region))
  }

  #afterRecovery(result: Recovered): Recovered | Promise<Recovered> {
    if (!result.ok) return this.#done(result)
    const nested = this.#options.idempotent && this.#region.isChanged ? this.#crashRecovery(result) : undefined
    return this.#turns.then(nested, (complaint) => this.#use(result, failed(complaint)))
  }

  #use(result: Recovered & { ok: true }, broken: Recovered | undefined): Recovered | Promise<Recovered> {
    if (broken !== undefined || this.#test.usable === undefined) return this.#done(broken ?? result)
    // What the nested exploration took back has to be there again.
    const again = this.#options.idempotent ? this.#recoverAgain() : undefined
    return this.#turns.then(again, () => {
      const complaint = complaintOf('usable', this.#options.timeLimit, () =>
        this.#test.usable?.(this.#region, result.state as State),
      )
      return this.#turns.then(complaint, (found) => this.#done(failed(found) ?? result))
    })
  }

  #done(result: Recovered): Recovered {
    this.#region.rewind()
    this.#isEntered = false
    return result
  }

  #recoverAgain(): Recovered | Promise<Recovered> {
    this.#region.rewind()
    return this.#recoverIn(this.#region)
  }

  /** Explore crashes of the recovery that the region's log tells of. Leaves memory as it was before that recovery. */
  #crashRecovery(first: Recovered & { ok: true }): Complaint | undefined | Promise<Complaint | undefined> {
    this.#region.rewindMemory()
    const timeline = new Timeline(this.#region.log, this.#memory, this.#options.domain)
    const expected = stateKey(first.state)
    const isStill = this.#turns.now()
    const judge: Judge = {
      put: (line, variant) => this.#memory.put(line, variant),
      recover: () => {
        const result = this.#recoverIn(this.#nestedRegion)
        if (result instanceof Promise) return result.finally(() => isStill() && this.#nestedRegion.rewind())
        this.#nestedRegion.rewind()
        return result
      },
      check: (state) =>
        stateKey(state) === expected
          ? undefined
          : { oracle: 'idempotent', message: 'recovery that is interrupted and started again finds another state' },
    }
    const exploration = new Exploration(timeline, judge, { engine: deviating(2), maxStates: NESTED_STATES_MAX })
    const end = (): Complaint | undefined => {
      for (const line of timeline.lines) this.#memory.put(line, 0)
      const [failure] = exploration.failures
      if (failure === undefined) return undefined
      return { oracle: 'idempotent', message: `crash during recovery: ${failure.message}` }
    }
    const go = (): Complaint | undefined | Promise<Complaint | undefined> => {
      const status = exploration.run(Infinity)
      return status instanceof Promise ? status.then(() => (isStill() ? go() : undefined)) : end()
    }
    return go()
  }
}

function failed(complaint: Complaint | undefined): Recovered | undefined {
  return complaint === undefined ? undefined : { ok: false, ...complaint }
}
