/**
 * A result against an earlier one: ratios to the yardstick are compared, setting by setting. Times of two runs say as
 * much of the machine's other business as of the program; the yardstick had the same business.
 *
 * A setting is worse when its ratio has grown by more than `tolerance`, and the least ratio of its rounds is that much
 * above the baseline too: one slow round is noise.
 */
import type { Bench } from './bench.js'
import type { BenchResult, SettingResult } from './run-bench.js'
import type { Setting } from './sweep.js'

export class BaselineError extends Error {
  override readonly name = 'BaselineError'
}

export interface Comparison {
  readonly setting: Setting
  readonly before: number
  readonly now: number
  readonly isWorse: boolean
}

/** text: what --json printed. Errors: BaselineError. */
export function parseBaseline(bench: Bench, text: string): BenchResult {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    throw new BaselineError('it is not JSON')
  }
  const { bench: name, results } = (given ?? {}) as Partial<BenchResult>
  if (name !== bench.name) throw new BaselineError(`it is no result of bench ${bench.name}, made with --json`)
  if (!Array.isArray(results) || !results.every(isSettingResult)) throw new BaselineError('its results are damaged')
  if (!results.some(({ ratio }) => ratio !== undefined)) throw new BaselineError('it has no ratios to compare with')
  return given as BenchResult
}

function isSettingResult(given: unknown): given is SettingResult {
  const { setting, ratio } = (given ?? {}) as Partial<SettingResult>
  return typeof setting === 'object' && (ratio === undefined || Number.isFinite(ratio.median))
}

/**
 * tolerance: 0.15 lets a ratio grow by 15 %. Settings that are in one of the results only are left out.
 * Errors: BaselineError when they have none in common.
 */
export function compareResults(result: BenchResult, baseline: BenchResult, tolerance: number): Comparison[] {
  const before = new Map(baseline.results.map(({ setting, ratio }) => [keyOf(setting), ratio?.median]))
  const comparisons = result.results.flatMap(({ setting, ratio }) => {
    const was = before.get(keyOf(setting))
    if (ratio === undefined || was === undefined) return []
    const most = was * (1 + tolerance)
    return [{ setting, before: was, now: ratio.median, isWorse: ratio.median > most && ratio.min > most }]
  })
  if (comparisons.length === 0) throw new BaselineError('none of its settings with a ratio was measured now')
  return comparisons
}

function keyOf(setting: Setting): string {
  return JSON.stringify(Object.entries(setting).sort(([left], [right]) => (left < right ? -1 : 1)))
}
