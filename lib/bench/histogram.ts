/** Latencies in buckets a quarter of an octave wide: equal widths on a logarithmic axis. */

const PER_OCTAVE = 4

/** nanoseconds: at least 1 each. Return: how many are in bucket i, from 2^(i/4) ns to 2^((i+1)/4) ns. */
export function histogramOf(nanoseconds: readonly number[]): number[] {
  const counts: number[] = []
  for (const each of nanoseconds) {
    const bucket = Math.floor(Math.log2(Math.max(1, each)) * PER_OCTAVE)
    while (counts.length <= bucket) counts.push(0)
    counts[bucket] = (counts[bucket] as number) + 1
  }
  return counts
}

export function addHistograms(histograms: readonly (readonly number[])[]): number[] {
  const length = Math.max(0, ...histograms.map((each) => each.length))
  return Array.from({ length }, (_, i) => histograms.reduce((sum, each) => sum + (each[i] ?? 0), 0))
}

/** Where bucket i begins, µs. */
export function bucketStart(bucket: number): number {
  return 2 ** (bucket / PER_OCTAVE) / 1000
}
