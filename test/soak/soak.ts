/** A long run of the workload in which everything fails now and then, with what its process holds on the way. */
import { type StressResult, runStress } from '../../lib/stress/run.js'
import type { Sample } from './verdict.js'

export interface Soak {
  readonly result: StressResult
  readonly samples: readonly Sample[]
  readonly injected: number
}

/** onSample: called once a second. */
export async function soak(seconds: number, seed: number, onSample: (sample: Sample) => void): Promise<Soak> {
  const samples: Sample[] = []
  const began = performance.now()
  let next = 0
  const result = await runStress(
    { workloads: ['failing'], seconds, seed, threads: 3, collects: true },
    ({ resources }) => {
      const elapsed = (performance.now() - began) / 1000
      if (elapsed < next) return
      next = elapsed + 1
      const sample = { ...resources, seconds: elapsed }
      samples.push(sample)
      onSample(sample)
    },
  )
  const injected = result.workloads.reduce((sum, { kernel }) => sum + kernel.injected, 0)
  return { result, samples, injected }
}
