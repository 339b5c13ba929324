/**
 * One report of many: shards look at different images of one run, so what they count adds up. Moments and states are
 * those of the run, which every shard walks; what recovery found may be found in several shards, so that number is only
 * known to be at least the largest.
 */
import { type Failure, REPORT_FORMAT, type Report } from './report.js'

export class MergeError extends Error {
  override readonly name = 'MergeError'
}

const FAILURES_MAX = 16

/** Errors: MergeError for reports of different runs, of a shard twice, of none. */
export function mergeReports(reports: readonly Report[]): Report {
  const [first] = reports
  if (first === undefined) throw new MergeError('there is no report to merge')
  const seen = new Set<number>()
  for (const report of reports) {
    requireSameRun(first, report)
    const index = report.shard?.index ?? 0
    if (seen.has(index)) throw new MergeError(`shard ${index + 1} is there twice`)
    seen.add(index)
  }
  const all = first.shard?.count ?? 1
  const sum = (key: 'images' | 'bad' | 'looks'): number => reports.reduce((total, { counts }) => total + counts[key], 0)
  const most = (key: 'moments' | 'states' | 'semantic'): number => Math.max(...reports.map(({ counts }) => counts[key]))
  return {
    ...first,
    shard: seen.size === all ? undefined : first.shard,
    stopped: reports.find(({ stopped }) => stopped !== undefined)?.stopped,
    isComplete: seen.size === all && reports.every(({ isComplete }) => isComplete),
    truncated: reports.some(({ truncated }) => truncated),
    counts: {
      moments: most('moments'),
      states: most('states'),
      images: sum('images'),
      bad: sum('bad'),
      looks: sum('looks'),
      semantic: most('semantic'),
    },
    failures: mergeFailures(reports),
    workload: reports.find(({ workload }) => workload !== undefined)?.workload,
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
  }
}

function requireSameRun(first: Report, report: Report): void {
  const format: number = report.format
  if (format !== REPORT_FORMAT) throw new MergeError(`a report has format ${format}, not ${REPORT_FORMAT}`)
  for (const key of ['digest', 'engine', 'domain', 'form'] as const) {
    if (first[key] === report[key]) continue
    throw new MergeError(`the reports are of different runs: ${key} is ${first[key]} and ${report[key]}`)
  }
  if (first.shard?.count !== report.shard?.count)
    throw new MergeError('the reports are of different divisions into shards')
}

function mergeFailures(reports: readonly Report[]): Failure[] {
  const failures = new Map<string, Failure>()
  for (const failure of reports.flatMap((report) => report.failures)) {
    const key = `${failure.oracle} ${failure.diagnosis?.kind ?? ''} ${failure.diagnosis?.label ?? failure.op}`
    const known = failures.get(key)
    if (known === undefined || failure.stores.length < known.stores.length) failures.set(key, failure)
  }
  return [...failures.values()].sort((a, b) => a.stores.length - b.stores.length || a.op - b.op).slice(0, FAILURES_MAX)
}
