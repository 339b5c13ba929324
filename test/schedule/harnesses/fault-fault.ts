/**
 * Two first stores to one page of a hole, through two mappings (S0.1, S0.10, B1: the loser of the race zeroed the page
 * after the winner had stored).
 *
 * Threads: two stores to different bytes of the page. At the end both bytes are there and one block was allocated.
 */
import { mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, store } from './bodies.js'

const HERE = 3 * PAGE

export const FAULT_FAULT: Harness = {
  name: 'fault-fault',
  shows: 'S0.1, S0.10, B1: of two first stores to one page of a hole neither is lost',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    mapFile(kernel, FILE)
  },
  threads: [store(1, HERE, 1), store(2, HERE + 8, 2)],
  check: (kernel) => {
    const [first, second] = [byteOf(kernel, HERE), byteOf(kernel, HERE + 8)]
    requireInvariant(first === 1 && second === 2, `stored 1 and 2, the page has ${first} and ${second}`)
    const used = kernel.handle.sizes.capacity - kernel.pfns.freePages
    requireInvariant(used === 1, `${used} blocks for one page`)
  },
}
