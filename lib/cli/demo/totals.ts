/** Counters of several mounts added up. */
import { FAULT_KINDS, type FaultName, type MountStats } from '../../stats.js'

const LINE_COUNTERS = [
  'pagesWritten',
  'linesWritten',
  'linesFlushed',
  'linesFenced',
  'fences',
  'syncs',
] as const satisfies (keyof MountStats)[]

export type LineCounter = (typeof LINE_COUNTERS)[number]

/** The part of the counters the demo shows: also what a writer reports over its pipe. */
export type Counters = Pick<MountStats, 'faults' | LineCounter>

export class Totals {
  readonly #faults = new Map<FaultName, { count: number; microseconds: number }>()
  readonly #lines = new Map<LineCounter, number>()

  add(counters: Counters): void {
    for (const name of FAULT_KINDS) {
      const { count, meanMicroseconds } = counters.faults[name]
      const sum = this.faults(name)
      this.#faults.set(name, {
        count: sum.count + count,
        microseconds: sum.microseconds + count * meanMicroseconds,
      })
    }
    for (const name of LINE_COUNTERS) this.#lines.set(name, this.lines(name) + counters[name])
  }

  faults(name: FaultName): { readonly count: number; readonly microseconds: number } {
    return this.#faults.get(name) ?? { count: 0, microseconds: 0 }
  }

  lines(name: LineCounter): number {
    return this.#lines.get(name) ?? 0
  }
}

export function pickCounters(stats: MountStats): Counters {
  const { faults, pagesWritten, linesWritten, linesFlushed, linesFenced, fences, syncs } = stats
  return { faults, pagesWritten, linesWritten, linesFlushed, linesFenced, fences, syncs }
}
