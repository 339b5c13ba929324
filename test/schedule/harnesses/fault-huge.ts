/**
 * A 4 KiB store and a 2 MiB store fault in one range (T2–T5, K6, K20, S2.9, B21).
 *
 * The first mapping is too short for a huge page, the second is not. Whoever comes first decides what the range is:
 * 512 pages as one entry, which the other locks as a whole, or 4 KiB entries, for which the huge fault falls back.
 * Never both. At the end both bytes are there.
 */
import { Page } from '../../../lib/constants.js'
import { mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, store } from './bodies.js'

const HERE = 3 * PAGE

export const FAULT_HUGE: Harness = {
  name: 'fault-huge',
  shows: 'T4, K6, K20, S2.9, B21: a 4 KiB and a 2 MiB fault in one range never make entries that overlap',
  sizes: { pages: Page.PmdPages, capacity: 2 * Page.PmdPages, treeNodes: 32, hugePages: true },
  // Executions are long: each 2 MiB entry names 512 frames.
  shortBound: 1,
  setup: (kernel) => {
    mapFile(kernel, FILE, true, 0, 8)
    mapFile(kernel, FILE)
  },
  threads: [store(1, HERE, 1), store(2, HERE + 8, 2)],
  check: (kernel) => {
    const [first, second] = [byteOf(kernel, HERE), byteOf(kernel, HERE + 8)]
    requireInvariant(first === 1 && second === 2, `stored 1 and 2, the page has ${first} and ${second}`)
  },
}
