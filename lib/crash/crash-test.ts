/** What a test of power failures is made of: the contract of `explore`, of the chai plugin and of `faultline crash`. */
import { requireFunction, wrongType } from '../args.js'
import type { Expectation } from './judge.js'

/**
 * Pool is a Region, or a mounted Pmem for tests of form 'live'. What a function returns may be a promise. A function
 * that throws has failed, with the error's message.
 */
export interface CrashTest<Pool, State = unknown> {
  /** For reports. */
  readonly name?: string
  /** What the functions get, where both are possible: a Region of plain memory ('bare', default), or a mounted Pmem. */
  readonly form?: 'bare' | 'live'
  /** Bytes of the region, or text such as '1MiB'. Default '64KiB'. Pools of form 'live' size their files themselves. */
  readonly size?: number | string
  /** What is durable before the run. */
  setup?(pool: Pool): unknown
  /** The run that power failures interrupt. */
  workload(pool: Pool): unknown
  /**
   * Start again from what is left. Return: what the program then holds, in a form that can be compared.
   * Without it `check` gets the image: a Buffer.
   */
  recover?(pool: Pool): State | Promise<State>
  /** Is that right? Return: true or nothing when it is, false or text saying what is wrong when it is not. */
  check?(state: State, expectation: Expectation): CheckResult | Promise<CheckResult>
  /** After recovery: is the pool fit for more work? Returns as `check`. */
  usable?(pool: Pool, state: State): CheckResult | Promise<CheckResult>
  /** Compare with the state before and after each operation(). Default: when there are operations. Needs recover. */
  readonly atomic?: boolean
  /** Crash in recovery too: recovering again must find the same. Default: when there is a recover function. */
  readonly idempotent?: boolean
}

// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a check that only throws returns nothing
export type CheckResult = boolean | string | undefined | void

/** Errors: TypeError for a test whose functions are none. */
export function requireCrashTest(test: unknown): void {
  if (typeof test !== 'object' || test === null) throw wrongType('test', 'an object', test)
  const given = test as Record<string, unknown>
  requireFunction('workload', given['workload'])
  for (const name of ['setup', 'recover', 'check', 'usable']) {
    if (given[name] !== undefined) requireFunction(name, given[name])
  }
}
