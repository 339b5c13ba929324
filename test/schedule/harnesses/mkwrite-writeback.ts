/**
 * A store to a clean, protected page against writeback of the page (S0.8, S1.6, K52, K60, K70, T11).
 *
 * The page is DIRTY and mapped writable through one mapping and read-only through another. fsync writes 1; the store of
 * 2 is written with it, or makes the page DIRTY again. A clean page that differs from media is a lost store.
 */
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, mediaByte, store, sync } from './bodies.js'

const HERE = 3 * PAGE

export const MKWRITE_WRITEBACK: Harness = {
  name: 'mkwrite-writeback',
  shows: 'S0.8, K60, K70, T11: a store is written by the sync it meets, or makes the page DIRTY again',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.load(kernel, 2, HERE)
    kernel.pageTable.store(kernel, 1, HERE, 1)
  },
  threads: [store(2, HERE, 2), sync],
  check: (kernel) => {
    requireInvariant(byteOf(kernel, HERE) === 2, 'the store is gone')
    const media = mediaByte(kernel, HERE)
    requireInvariant(media === 1 || media === 2, `media has ${media}`)
  },
}

/** The store goes through the mapping that is writable: no fault unless the sync has protected it. */
export const STORE_WRITEBACK: Harness = {
  ...MKWRITE_WRITEBACK,
  name: 'store-writeback',
  shows: 'K70, D8: a store through a writable mapping faults once the sync has protected the page',
  threads: [store(1, HERE, 2), sync],
}
