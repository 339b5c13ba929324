/** Recovery on a mounted pool: real page faults, real mappings, and the image as what media has. */
import type { Pmem } from '../../fs/pmem.js'
import type { ChangedLine } from '../changed-line.js'
import type { CrashTest } from '../crash-test.js'
import type { Complaint, Expectation, Judge, Recovered } from '../judge.js'
import { Turns } from '../turns.js'
import { complaintOf, recoveredBy } from '../user-calls.js'
import type { ImagePool } from './image-pool.js'

export interface LiveJudgeOptions {
  readonly idempotent: boolean
  readonly timeLimit: number
}

export class LiveJudge<State> implements Judge {
  /** What is around the user's functions here must not be ended. */
  readonly limitsItself = true
  readonly #test: CrashTest<Pmem, State>
  readonly #pool: ImagePool
  readonly #options: LiveJudgeOptions
  readonly #turns = new Turns()
  #isEntered = false

  constructor(test: CrashTest<Pmem, State>, pool: ImagePool, options: LiveJudgeOptions) {
    this.#test = test
    this.#pool = pool
    this.#options = options
  }

  put(line: ChangedLine, variant: number): void {
    line.chosen = variant
    this.#pool.put(line)
  }

  recover(): Recovered | Promise<Recovered> {
    this.endTurn()
    this.#isEntered = true
    const first = this.#recoverIn(this.#pool.enter())
    return this.#turns.then(first, (result) => this.#goOn(result))
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined> {
    return complaintOf('invariant', this.#options.timeLimit, () => this.#test.check?.(state as State, expectation))
  }

  /** Whatever is still going on in the pool is over. */
  endTurn(): void {
    this.#turns.end()
    if (this.#isEntered) this.#pool.leave()
    this.#isEntered = false
  }

  #recoverIn(pmem: Pmem): Recovered | Promise<Recovered> {
    return recoveredBy(this.#options.timeLimit, () => this.#test.recover?.(pmem))
  }

  #goOn(first: Recovered): Recovered | Promise<Recovered> {
    if (!first.ok || !this.#options.idempotent) return this.#use(first)
    // Nothing that recovery left unfenced survives.
    return this.#turns.then(this.#recoverIn(this.#pool.losePower()), (again) => {
      if (again.ok && again.key === first.key) return this.#use(again)
      const message = again.ok ? 'recovery after a recovery finds another state' : again.message
      const oracle = !again.ok && again.oracle === 'time limit' ? 'time limit' : 'idempotent'
      return this.#done({ ok: false, oracle, message })
    })
  }

  #use(result: Recovered): Recovered | Promise<Recovered> {
    if (!result.ok || this.#test.usable === undefined) return this.#done(result)
    const pmem = this.#pool.session
    const verdict = complaintOf('usable', this.#options.timeLimit, () =>
      this.#test.usable?.(pmem, result.state as State),
    )
    return this.#turns.then(verdict, (complaint) =>
      this.#done(complaint === undefined ? result : { ok: false, ...complaint }),
    )
  }

  #done(result: Recovered): Recovered {
    this.endTurn()
    return result
  }
}
