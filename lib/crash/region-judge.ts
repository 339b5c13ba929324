/**
 * Images in plain memory: a line of the image is 16 words in place, recovery works on the image itself and what it
 * stored is taken back. So an image costs the bytes that change, and the size of the region costs nothing.
 *
 * Recovery is watched as the program was: its own stores make a log, and crash states of that log are explored in turn
 * (once: not those of the recovery from these). Recovering from each must find what recovery without a crash found.
 */
import { errorText } from './error-text.js'
import type { ChangedLine } from './changed-line.js'
import type { CheckResult, CrashTest } from './crash-test.js'
import { deviating } from './engines/deviating.js'
import { Exploration } from './exploration.js'
import type { Complaint, Expectation, Judge, Oracle, Recovered } from './judge.js'
import { LINE_WORDS } from './line-hash.js'
import { Region } from './region.js'
import { stateKey } from './state-key.js'
import { type BaseImage, Timeline, type Domain } from './timeline.js'
import { watchedImage } from './watched-image.js'
import { Page } from '../constants.js'

/** Crash states of one recovery that are looked at. */
const NESTED_STATES_MAX = 256
/** Bytes of a region from which on its memory is of the other kind. */
const LARGE = 1 << 24

export interface RegionJudgeOptions {
  readonly idempotent: boolean
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
  readonly #region: Region
  /** For recoveries of what a recovery left. */
  readonly #nestedRegion: Region
  readonly #options: RegionJudgeOptions
  readonly #image: Buffer

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
    this.#region.watchLoads(onLoad, this.#image)
    this.wasRead = (line) => read.has(line.number)
    this.forgetReads = () => read.clear()
  }

  put(line: ChangedLine, variant: number): void {
    this.#memory.put(line, variant)
  }

  recover(): Recovered | Promise<Recovered> {
    if (this.#test.recover === undefined) return { ok: true, state: this.#image }
    // Left over when a time limit stopped the one before.
    this.#region.rewind()
    this.#nestedRegion.rewind()
    const recovered = this.#recoverIn(this.#region)
    return recovered instanceof Promise
      ? recovered.then((result) => this.#afterRecovery(result))
      : this.#afterRecovery(recovered)
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined> {
    return complaintOf('invariant', () => this.#test.check?.(state as State, expectation))
  }

  #recoverIn(region: Region): Recovered | Promise<Recovered> {
    try {
      const state: unknown = this.#test.recover?.(region)
      if (state instanceof Promise) return state.then(succeeded, failedRecovery)
      return succeeded(state)
    } catch (error) {
      return failedRecovery(error)
    }
  }

  #afterRecovery(result: Recovered): Recovered | Promise<Recovered> {
    if (!result.ok) return this.#done(result)
    const nested = this.#options.idempotent && this.#region.isChanged ? this.#crashRecovery(result) : undefined
    if (nested instanceof Promise) return nested.then((complaint) => this.#done(failed(complaint) ?? result))
    if (nested !== undefined) return this.#done({ ok: false, ...nested })
    if (this.#test.usable === undefined) return this.#done(result)
    // What the nested exploration took back has to be there again.
    if (this.#options.idempotent) this.#recoverAgain()
    const complaint = complaintOf('usable', () => this.#test.usable?.(this.#region, result.state as State))
    if (complaint instanceof Promise) return complaint.then((found) => this.#done(failed(found) ?? result))
    return this.#done(failed(complaint) ?? result)
  }

  #done(result: Recovered): Recovered {
    this.#region.rewind()
    return result
  }

  #recoverAgain(): void {
    this.#region.rewind()
    void this.#recoverIn(this.#region)
  }

  /** Explore crashes of the recovery that the region's log tells of. Leaves memory as it was before that recovery. */
  #crashRecovery(first: Recovered & { ok: true }): Complaint | undefined | Promise<Complaint | undefined> {
    this.#region.rewindMemory()
    const timeline = new Timeline(this.#region.log, this.#memory, this.#options.domain)
    const expected = stateKey(first.state)
    const judge: Judge = {
      put: (line, variant) => this.#memory.put(line, variant),
      recover: () => {
        const result = this.#recoverIn(this.#nestedRegion)
        if (result instanceof Promise) return result.finally(() => this.#nestedRegion.rewind())
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
      return status instanceof Promise ? status.then(go) : end()
    }
    return go()
  }
}

function succeeded(state: unknown): Recovered {
  return { ok: true, state, key: stateKey(state) }
}

function failedRecovery(error: unknown): Recovered {
  return { ok: false, oracle: 'recovery', message: errorText(error) }
}

function failed(complaint: Complaint | undefined): Recovered | undefined {
  return complaint === undefined ? undefined : { ok: false, ...complaint }
}

/** Return: what a check finds wrong; a promise when it is one. */
export function complaintOf(
  oracle: Oracle,
  check: () => CheckResult | Promise<CheckResult>,
): Complaint | undefined | Promise<Complaint | undefined> {
  const say = (result: CheckResult): Complaint | undefined => {
    if (result === false) return { oracle, message: oracle === 'usable' ? 'usable() said no' : 'check() said no' }
    return typeof result === 'string' ? { oracle, message: result } : undefined
  }
  const blame = (error: unknown): Complaint => ({ oracle, message: errorText(error) })
  try {
    const result = check()
    return result instanceof Promise ? result.then(say, blame) : say(result)
  } catch (error) {
    return blame(error)
  }
}
