/**
 * A store against a truncate that takes its page away (S0.9, K5, K84, K100, T12, B8).
 *
 * The page is in the file, in two ways: a first store to a hole, and a private copy of a block. Either the store comes
 * first and its page goes with the others, or it comes later and gets SIGBUS. At the end nothing past EOF is mapped, in
 * the cache, in the tree, or allocated.
 */
import { Page } from '../../../lib/constants.js'
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { SIGBUS, byteOf, store, truncate } from './bodies.js'

const HERE = 3 * PAGE

export const FAULT_TRUNCATE: Harness = {
  name: 'fault-truncate',
  shows: 'S0.9, K5, K84: a store and a truncate of its page leave nothing past EOF',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 0, 9)
  },
  threads: [store(1, HERE, 1), truncate(2)],
  check: (kernel, [stored]) => {
    requireInvariant(stored === 0 || stored === SIGBUS, `the store gave ${stored}`)
    requireInvariant(kernel.inodes.sizeOf(FILE) === 2 * Page.Size, `the size is ${kernel.inodes.sizeOf(FILE)}`)
    requireInvariant(byteOf(kernel, 0) === 9, 'a page that stays has changed')
    const used = kernel.handle.sizes.capacity - kernel.pfns.freePages
    requireInvariant(used === 1, `${used} blocks of 1 are still allocated`)
  },
}

export const COPY_TRUNCATE: Harness = {
  name: 'copy-truncate',
  shows: 'S0.6, B8: after a truncate no private copy of a freed block can appear',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE, false)
    giveBlock(kernel, FILE, 3, 9)
  },
  threads: [store(1, HERE, 1), truncate(2)],
  check: (kernel, [stored]) => {
    requireInvariant(stored === 0 || stored === SIGBUS, `the store gave ${stored}`)
    requireInvariant(kernel.pfns.freePages === kernel.handle.sizes.capacity, 'a block is still allocated')
  },
}
