/** All benchmarks. */
import type { Bench } from './bench.js'
import { copiesBench } from './copies/copies.js'
import { crashBench } from './crash/crash.js'
import { faultsBench } from './faults/faults.js'
import { locksBench } from './locks/locks.js'
import { mountBench } from './mount/mount.js'
import { syncBench } from './sync/sync.js'
import { treeBench } from './tree/tree.js'

export const BENCHES: readonly Bench[] = [
  faultsBench,
  syncBench,
  treeBench,
  crashBench,
  locksBench,
  mountBench,
  copiesBench,
]

/** Errors: RangeError. */
export function benchNamed(name: string): Bench {
  const bench = BENCHES.find((each) => each.name === name)
  if (bench === undefined) throw new RangeError(`no benchmark '${name}'`)
  return bench
}
