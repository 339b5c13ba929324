/** The tables at the end of a stress run. */
import { OPERATIONS } from '../../stress/operations.js'
import type { StressResult } from '../../stress/run.js'
import { type Cell, formatTable } from '../format.js'

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** What each workload did, how fast, and where its threads met. */
export function workloadTable({ workloads }: StressResult): string {
  const head = [
    'workload',
    'operations',
    'seconds',
    'per second',
    'faults',
    'retried',
    'entry locked',
    'range',
    '2 MiB',
  ]
  const rows = workloads.map(({ workload, counts, seconds, kernel }): Cell[] => {
    const { faults, faultsRetried, lockedEntries, rangeConflicts, hugeConflicts } = kernel
    const operations = total(counts)
    // A workload that did not come to its end has no time of its own.
    if (Number.isNaN(seconds)) return [workload, operations, '-', '-', '-', '-', '-', '-', '-']
    const rate = Math.round(operations / seconds)
    const met = [faultsRetried, lockedEntries, rangeConflicts, hugeConflicts]
    return [workload, operations, seconds.toFixed(1), rate, faults, ...met]
  })
  return formatTable(head, rows)
}

/** Operations by kind, a column a workload. */
export function operationTable({ workloads }: StressResult): string {
  const rows = OPERATIONS.flatMap((operation, i): Cell[][] => {
    const counts = workloads.map((each) => each.counts[i] ?? 0)
    if (total(counts) === 0) return []
    return [[operation, ...counts.map((count): Cell => (count === 0 ? '-' : count)), total(counts)]]
  })
  return formatTable(['operations', ...workloads.map(({ workload }) => workload), 'all'], rows)
}
