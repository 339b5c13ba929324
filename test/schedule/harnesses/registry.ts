/** All harnesses and toys, by name: what a thread is told, and what a replay string begins with. */
import type { Harness } from '../harness.js'
import { TOYS } from '../toys.js'
import { HARNESSES } from './all.js'

export function findHarness(name: string): Harness {
  const found = [...HARNESSES, ...TOYS].find((harness) => harness.name === name)
  if (found === undefined) throw new RangeError(`no harness is called '${name}'`)
  return found
}
