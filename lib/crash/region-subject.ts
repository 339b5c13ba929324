/** Record a run on a region of plain memory. */
import { requireSize } from '../args.js'
import { hasOperations } from './atomic-oracle.js'
import { type CrashTest, requireCrashTest } from './crash-test.js'
import { errorText } from './error-text.js'
import { oracleIsOn, type ResolvedOptions } from './explore-options.js'
import { settleWithin, withTimeLimit } from './guard.js'
import { Region } from './region.js'
import { RegionJudge, RegionMemory } from './region-judge.js'
import type { Subject } from './subject.js'

const SIZE_DEFAULT = '64KiB'

/** Errors: TypeError, RangeError for a test that is none; what setup throws. */
export async function recordRegion<State>(test: CrashTest<Region, State>, options: ResolvedOptions): Promise<Subject> {
  requireCrashTest(test)
  const memory = new RegionMemory(requireSize('size', test.size ?? SIZE_DEFAULT))
  const region = new Region(memory.bytes, { locations: true })
  await test.setup?.(region)
  region.begin()
  let workload = await runWorkload(() => test.workload(region), options.timeLimit)
  region.rewindMemory()
  const { log } = region
  workload ??= log.count === 0 ? 'stored nothing, so there is nothing to lose' : undefined
  const judge = new RegionJudge(test, memory, {
    idempotent: oracleIsOn('idempotent', test.idempotent, test.recover !== undefined),
    timeLimit: options.timeLimit,
    domain: options.domain,
    watchReads: options.engine === 'guided',
  })
  const atomic = oracleIsOn('atomic', test.atomic, hasOperations(log) && test.recover !== undefined)
  return { name: test.name ?? '', form: 'bare', log, base: memory, judge, workload, atomic, close: () => undefined }
}

/** Return: how the run failed; undefined: it did not. What it stored until then counts all the same. */
export async function runWorkload(work: () => unknown, timeLimit: number): Promise<string | undefined> {
  try {
    const result = withTimeLimit(timeLimit, work)
    if (result instanceof Promise) await settleWithin(timeLimit, result)
    return undefined
  } catch (error) {
    const text = errorText(error)
    if (error instanceof Error && ['ExitError', 'TimeLimitError'].includes(error.name)) return text
    return `threw: ${text}`
  }
}
