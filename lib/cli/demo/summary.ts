/** The tables at the end of the demo. */
import { FAULT_KINDS, type FaultName } from '../../stats.js'
import { type Cell, formatCount, formatTable } from '../format.js'
import type { LineCounter, Totals } from './totals.js'
import { type Verdict, isSound } from './verdict.js'

const FAULT_TITLES: Readonly<Record<FaultName, string>> = {
  holeRead: 'load from a hole',
  dataRead: 'load, page not in the cache',
  minorRead: 'load, page in the cache',
  holeWrite: 'store to a hole',
  dataWrite: 'store, page not in the cache',
  minorWrite: 'store, page in the cache',
  mkwrite: 'first store to a clean page',
  privateCopy: 'store to a private mapping',
  failed: 'failed (SIGBUS)',
  stale: 'already served',
  fillIn: 'piece of a 2 MiB page',
  hugeHoleRead: 'load from a 2 MiB hole',
  hugeDataRead: 'load, 2 MiB',
  hugeHoleWrite: 'store to a 2 MiB hole',
  hugeDataWrite: 'first store to 2 MiB',
}

const LINE_TITLES: readonly (readonly [LineCounter, string])[] = [
  ['syncs', 'msync and fsync calls'],
  ['pagesWritten', 'dirty pages they wrote back'],
  ['linesWritten', '64-byte lines of files they wrote'],
  ['linesFlushed', 'lines flushed one by one (clwb)'],
  ['linesFenced', 'lines made durable by a fence'],
  ['fences', 'fences (sfence)'],
]

export interface TitledTotals {
  readonly title: string
  readonly totals: Totals
}

/** Kinds that occurred, with count and µs each, a pair of columns a part. */
export function faultTable(parts: readonly TitledTotals[]): string {
  const kinds = FAULT_KINDS.filter((kind) => parts.some(({ totals }) => totals.faults(kind).count > 0))
  const rows = kinds.map((kind): Cell[] => [
    FAULT_TITLES[kind],
    ...parts.flatMap(({ totals }): Cell[] => {
      const { count, microseconds } = totals.faults(kind)
      return count === 0 ? ['-', '-'] : [count, (microseconds / count).toFixed(1)]
    }),
  ])
  return formatTable(['page faults', ...parts.flatMap(({ title }) => [title, 'µs each'])], rows)
}

export function lineTable(parts: readonly TitledTotals[]): string {
  const rows = LINE_TITLES.map(([name, title]): Cell[] => [title, ...parts.map(({ totals }) => totals.lines(name))])
  return formatTable(['cache lines', ...parts.map(({ title }) => title)], rows)
}

export interface TitledVerdict {
  readonly title: string
  readonly verdict: Verdict
}

export function recordTable(parts: readonly TitledVerdict[]): string {
  const row = (title: string, pick: (verdict: Verdict) => number): Cell[] => [
    title,
    ...parts.map(({ verdict }) => pick(verdict)),
  ]
  return formatTable(
    ['records', ...parts.map(({ title }) => title)],
    [
      row('power failures', (verdict) => verdict.failures),
      row('acknowledged', (verdict) => verdict.acknowledged),
      row('  recovered', (verdict) => verdict.recovered),
      row('  lost', (verdict) => verdict.lost),
      row('torn', (verdict) => verdict.torn),
      row('not acknowledged, kept', (verdict) => verdict.unacknowledgedKept),
      row('not acknowledged, lost', (verdict) => verdict.unacknowledgedLost),
      row('log files filled', (verdict) => verdict.logFiles),
    ],
  )
}

/** One sentence for somebody who has never heard of persistent memory. */
export function sentence(sameHash: boolean, verdicts: readonly Verdict[]): string {
  const sum = (pick: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + pick(verdict), 0)
  const failures = sum((verdict) => verdict.failures)
  if (sameHash && verdicts.every(isSound)) {
    return (
      `The power failed ${formatCount(failures)} times while programs were storing into memory-mapped files, and all ` +
      `${formatCount(sum((verdict) => verdict.acknowledged))} records they had been told were safe were there ` +
      'afterwards, whole; only records nobody had vouched for yet were lost.'
    )
  }
  const faults = [
    ...(sameHash ? [] : ['the mapped copy differs from the file']),
    ...(sum((verdict) => verdict.lost) > 0
      ? [`${formatCount(sum((verdict) => verdict.lost))} acknowledged records were lost`]
      : []),
    ...verdicts.flatMap(({ complaint }) => (complaint === undefined ? [] : [complaint])),
  ]
  return `Something is wrong: ${faults.join('; ')}.`
}
