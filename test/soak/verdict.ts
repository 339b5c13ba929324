/** Is what a process holds flat? */
import type { Resources } from '../../lib/stress/messages.js'

export interface Sample extends Resources {
  readonly seconds: number
}

export interface Kind {
  readonly key: keyof Resources
  readonly title: string
  readonly unit: number
  /** Growth that is no growth, in units: what a mount more or less makes of it. */
  readonly slack: number
}

const MIB = 2 ** 20

export const KINDS: readonly Kind[] = [
  { key: 'rss', title: 'resident memory, MiB', unit: MIB, slack: 24 },
  { key: 'shared', title: 'of that caches, MiB', unit: MIB, slack: 16 },
  // A mount reserves about 90 MiB for its tables, a thread up to 600 for its heap and its arena.
  { key: 'virtual', title: 'address space, MiB', unit: MIB, slack: 1024 },
  { key: 'heap', title: 'JavaScript heap of the main thread, MiB', unit: MIB, slack: 4 },
  { key: 'external', title: 'memory held by it outside the heap, MiB', unit: MIB, slack: 4 },
  { key: 'descriptors', title: 'file descriptors', unit: 1, slack: 4 },
  { key: 'threads', title: 'threads', unit: 1, slack: 2 },
  { key: 'mappings', title: 'mappings', unit: 1, slack: 80 },
]

/** Of the time: what comes before is warm-up. */
export const WARM_SHARE = 1 / 3
const GROWTH_MAX = 0.1

export interface Flatness {
  readonly kind: Kind
  /** In units: the line through the samples after the warm-up, at its two ends. */
  readonly from: number
  readonly to: number
  readonly isFlat: boolean
}

/** The least-squares line through the samples behind the warm-up must not rise by more than a tenth, or the slack. */
export function judge(samples: readonly Sample[]): Flatness[] {
  const end = samples.at(-1)?.seconds ?? 0
  const warm = samples.filter(({ seconds }) => seconds >= end * WARM_SHARE)
  return KINDS.map((kind) => {
    const line = lineThrough(warm.map((sample) => [sample.seconds, sample[kind.key] / kind.unit]))
    const [from, to] = [line(end * WARM_SHARE), line(end)]
    return { kind, from, to, isFlat: to - from <= Math.max(kind.slack, from * GROWTH_MAX) }
  })
}

function lineThrough(points: readonly (readonly [x: number, y: number])[]): (x: number) => number {
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length
  const [meanX, meanY] = [mean(0), mean(1)]
  let [above, below] = [0, 0]
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY)
    below += (x - meanX) ** 2
  }
  const slope = below === 0 ? 0 : above / below
  return (x) => meanY + slope * (x - meanX)
}
