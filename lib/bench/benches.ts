/** All benchmarks. */
import type { Bench } from './bench.js'
import { locksBench } from './locks/locks.js'

export const BENCHES: readonly Bench[] = [locksBench]

/** Errors: RangeError. */
export function benchNamed(name: string): Bench {
  const bench = BENCHES.find((each) => each.name === name)
  if (bench === undefined) throw new RangeError(`no benchmark '${name}'`)
  return bench
}
