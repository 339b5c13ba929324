/**
 * A chai plugin: `await expect(workload).to.survivePowerFailure({ recover, check })`.
 *
 *   import { use } from 'chai'
 *   import { survivePowerFailure } from 'faultline/chai'
 *   use(survivePowerFailure)
 *
 * The message of a failed assertion is the smallest failing state: which stores, where, and what is missing.
 */
import { wrongType } from '../args.js'
import type { CrashTest } from './crash-test.js'
import { exploreAny } from './explore.js'
import type { ExploreOptions } from './explore-options.js'
import type { Pmem } from '../fs/pmem.js'
import type { Region } from './region.js'
import { hasPassed } from './report.js'
import { reportText } from './report-text.js'

/** A test without its workload, and how to explore it. */
export type SurvivalOptions<State> = Partial<Omit<CrashTest<Region, State>, 'workload' | 'form'>> & {
  readonly form?: 'bare'
} & ExploreOptions

/** The same for a program on a mounted pool. */
export type LiveSurvivalOptions<State> = { readonly form: 'live' } & Partial<Omit<CrashTest<Pmem, State>, 'workload'>> &
  ExploreOptions

type AnySurvivalOptions = Partial<Omit<CrashTest<never>, 'workload'>> & ExploreOptions

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- where chai keeps its assertions
  namespace Chai {
    interface Assertion {
      /** Of a workload (a function of a Region), or of a whole CrashTest. Explores every crash state by default. */
      survivePowerFailure<State = unknown>(options?: SurvivalOptions<State> | LiveSurvivalOptions<State>): Promise<void>
    }
  }
}

/** What of chai is used: so chai is no dependency. */
interface ChaiStatic {
  Assertion: {
    addMethod(name: string, method: (this: ChaiAssertion, options?: AnySurvivalOptions) => unknown): void
  }
}

interface ChaiAssertion {
  readonly _obj: unknown
  assert(passed: boolean, message: string, negated: string): void
}

const TEST_NAMES = ['name', 'form', 'size', 'setup', 'recover', 'check', 'usable', 'atomic', 'idempotent'] as const

/**
 * For chai's `use`. Errors of the assertion: AssertionError; TypeError, RangeError for a workload or options that are
 * none.
 */
export function survivePowerFailure(chai: unknown): void {
  const { Assertion } = (chai ?? {}) as Partial<ChaiStatic>
  if (Assertion === undefined || !('addMethod' in Assertion)) throw wrongType('chai', 'chai itself', chai)
  Assertion.addMethod('survivePowerFailure', async function (options = {}) {
    const test = testOf(this._obj, options)
    const rest = Object.entries(options).filter(([name]) => !(TEST_NAMES as readonly string[]).includes(name))
    const report = await exploreAny(test, Object.fromEntries(rest))
    const negated = `expected ${test.name ?? 'the workload'} not to survive all of ${report.counts.images} crash images`
    this.assert(hasPassed(report), reportText(report), negated)
  })
}

function testOf(subject: unknown, options: AnySurvivalOptions): CrashTest<never> {
  const given = Object.fromEntries(TEST_NAMES.flatMap((name) => (name in options ? [[name, options[name]]] : [])))
  if (typeof subject === 'function') {
    const name = subject.name === '' ? 'the workload' : subject.name
    return { name, workload: subject as CrashTest<never>['workload'], ...given }
  }
  if (typeof subject === 'object' && subject !== null && 'workload' in subject) {
    return { ...(subject as CrashTest<never>), ...given }
  }
  throw wrongType('what survivePowerFailure is asked of', 'a workload (a function) or a crash test', subject)
}
