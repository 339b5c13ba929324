/** The yardstick: a judge that makes every image from a copy of the whole region. */
import type { ChangedLine } from '../../crash/changed-line.js'
import type { CrashTest } from '../../crash/crash-test.js'
import type { Complaint, Expectation, Judge, Recovered } from '../../crash/judge.js'
import { LINE_WORDS } from '../../crash/line-hash.js'
import type { Region } from '../../crash/region.js'
import type { BaseImage } from '../../crash/timeline.js'
import { Page } from '../../constants.js'

export class CopyingJudge implements Judge {
  readonly #test: CrashTest<Region>
  readonly #base: Int32Array
  readonly #image: Int32Array
  readonly #bytes: Buffer
  readonly #variants = new Map<ChangedLine, number>()

  /** test: one without recover, whose size is a number of bytes. */
  constructor(base: BaseImage, test: CrashTest<Region>) {
    this.#test = test
    const size = test.size as number
    this.#base = new Int32Array(size / 4)
    this.#image = new Int32Array(size / 4)
    this.#bytes = Buffer.from(this.#image.buffer)
    const line = new Int32Array(LINE_WORDS)
    for (let offset = 0; offset < size; offset += Page.LineSize) {
      base.readLine(0, offset, line)
      this.#base.set(line, offset / 4)
    }
  }

  put(line: ChangedLine, variant: number): void {
    this.#variants.set(line, variant)
  }

  recover(): Recovered {
    this.#image.set(this.#base)
    for (const [{ contents, offset }, variant] of this.#variants) {
      const from = variant * LINE_WORDS
      this.#image.set(contents.subarray(from, from + LINE_WORDS), offset / 4)
    }
    return { ok: true, state: this.#bytes }
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined {
    const isRight = this.#test.check?.(state, expectation) === true
    return isRight ? undefined : { oracle: 'invariant', message: 'check returned false' }
  }
}
