/** Recovery on a mounted pool: real page faults, real mappings, and the image as what media has. */
import type { Pmem } from '../../fs/pmem.js'
import type { ChangedLine } from '../changed-line.js'
import type { CrashTest } from '../crash-test.js'
import { errorText } from '../error-text.js'
import type { Complaint, Expectation, Judge, Recovered } from '../judge.js'
import { complaintOf } from '../region-judge.js'
import { stateKey } from '../state-key.js'
import type { ImagePool } from './image-pool.js'

export class LiveJudge<State> implements Judge {
  readonly #test: CrashTest<Pmem, State>
  readonly #pool: ImagePool
  readonly #idempotent: boolean
  #isEntered = false

  constructor(test: CrashTest<Pmem, State>, pool: ImagePool, idempotent: boolean) {
    this.#test = test
    this.#pool = pool
    this.#idempotent = idempotent
  }

  put(line: ChangedLine, variant: number): void {
    line.chosen = variant
    this.#pool.put(line)
  }

  recover(): Recovered | Promise<Recovered> {
    // A time limit stopped the one before.
    if (this.#isEntered) this.#pool.leave()
    this.#isEntered = true
    const first = this.#recoverIn(this.#pool.enter())
    return first instanceof Promise ? first.then((result) => this.#goOn(result)) : this.#goOn(first)
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined> {
    return complaintOf('invariant', () => this.#test.check?.(state as State, expectation))
  }

  #recoverIn(pmem: Pmem): Recovered | Promise<Recovered> {
    const succeeded = (state: unknown): Recovered => ({ ok: true, state, key: stateKey(state) })
    const failed = (error: unknown): Recovered => ({ ok: false, oracle: 'recovery', message: errorText(error) })
    try {
      const state: unknown = this.#test.recover?.(pmem)
      return state instanceof Promise ? state.then(succeeded, failed) : succeeded(state)
    } catch (error) {
      return failed(error)
    }
  }

  #goOn(first: Recovered): Recovered | Promise<Recovered> {
    if (!first.ok || !this.#idempotent) return this.#use(first)
    // Nothing that recovery left unfenced survives.
    const second = this.#recoverIn(this.#pool.losePower())
    const compare = (again: Recovered): Recovered | Promise<Recovered> => {
      if (again.ok && again.key === first.key) return this.#use(again)
      const message = again.ok ? 'recovery after a recovery finds another state' : again.message
      return this.#done({ ok: false, oracle: 'idempotent', message })
    }
    return second instanceof Promise ? second.then(compare) : compare(second)
  }

  #use(result: Recovered): Recovered | Promise<Recovered> {
    if (!result.ok || this.#test.usable === undefined) return this.#done(result)
    const verdict = complaintOf('usable', () => this.#test.usable?.(this.#pool.session, result.state as State))
    const end = (complaint: Complaint | undefined): Recovered =>
      this.#done(complaint === undefined ? result : { ok: false, ...complaint })
    return verdict instanceof Promise ? verdict.then(end) : end(verdict)
  }

  #done(result: Recovered): Recovered {
    this.#pool.leave()
    this.#isEntered = false
    return result
  }
}
