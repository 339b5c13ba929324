/**
 * A load of a hole against a store that fills it (S0.2, S0.3, T7, B7: a stale zero page stayed mapped; B15: the block
 * map was asked before the entry was locked).
 *
 * Threads: load through one mapping, store through the other. The load gives 0 or what was stored; at the end the page
 * is data, DIRTY, and both mappings show it.
 */
import { mapFile, entryAt } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, load, store } from './bodies.js'

const HERE = 3 * PAGE

export const HOLE_READ_WRITE: Harness = {
  name: 'hole-read-write',
  shows: 'S0.2, S0.3, T7, B7, B15: a load of a hole leaves no zero page behind a store that fills it',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    mapFile(kernel, FILE)
  },
  threads: [load(1, HERE), store(2, HERE, 7)],
  check: (kernel, [seen]) => {
    requireInvariant(seen === 0 || seen === 7, `the load gave ${seen}`)
    requireInvariant(byteOf(kernel, HERE) === 7, 'the store is gone')
    const entry = entryAt(kernel, FILE, 3)
    requireInvariant(/^D4 pfn \d+ dirty$/.test(entry), `the entry is ${entry}`)
  },
}
