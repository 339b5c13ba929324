/** All benchmarks. */
import type { Bench } from './bench.js'
import { faultsBench } from './faults/faults.js'
import { locksBench } from './locks/locks.js'
import { syncBench } from './sync/sync.js'
import { treeBench } from './tree/tree.js'

export const BENCHES: readonly Bench[] = [faultsBench, syncBench, treeBench, locksBench]

/** Errors: RangeError. */
export function benchNamed(name: string): Bench {
  const bench = BENCHES.find((each) => each.name === name)
  if (bench === undefined) throw new RangeError(`no benchmark '${name}'`)
  return bench
}
