/**
 * A store against a collapse that moves its page (S0.9, K5, K84).
 *
 * Page 1 is removed, so page 2 becomes page 1 and page 3 page 2. The store to page 3 comes before, and moves with its
 * page, or after, and is a store past EOF then.
 */
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { SIGBUS, byteOf, collapse, store } from './bodies.js'

export const FAULT_COLLAPSE: Harness = {
  name: 'fault-collapse',
  shows: 'S0.9, K5, K84: a store moves with its page or comes after the collapse',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    for (const page of [0, 1, 2, 3]) giveBlock(kernel, FILE, page, 10 + page)
    kernel.pageTable.load(kernel, 1, 3 * PAGE)
  },
  threads: [store(1, 2 * PAGE, 1), collapse(1)],
  check: (kernel, [stored]) => {
    requireInvariant(stored === 0 || stored === SIGBUS, `the store gave ${stored}`)
    const bytes = [0, 1, 2].map((page) => byteOf(kernel, page * PAGE)).join()
    requireInvariant(bytes === '10,1,13' || bytes === '10,12,1', `the pages begin with ${bytes}`)
    const rest = [0, 1, 2].map((page) => byteOf(kernel, page * PAGE + 1)).join()
    requireInvariant(rest === '10,12,13', `the pages go on with ${rest}`)
  },
}
