/** Middle and width of a few measurements. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly values: readonly number[]
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

export function summarise(values: readonly number[]): Summary {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
}

/** The value that `share` (0 … 1) of the values do not exceed: nearest rank. `sorted`: ascending. */
export function percentile(sorted: Readonly<ArrayLike<number>>, share: number): number {
  if (sorted.length === 0) throw new RangeError('a percentile of no values')
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
}
