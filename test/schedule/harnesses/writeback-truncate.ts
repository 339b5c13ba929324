/**
 * Writeback of a page against a truncate that takes it away (S0.9, K70, K84, T12).
 *
 * The page is DIRTY. Either the sync writes it first, or finds that it has left the file; it never looks at a page that
 * is not in the cache any more, which is an error nobody could do anything about.
 */
import { Page } from '../../../lib/constants.js'
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, mediaByte, sync, truncate } from './bodies.js'

const HERE = 3 * PAGE

export const WRITEBACK_TRUNCATE: Harness = {
  name: 'writeback-truncate',
  shows: 'S0.9, K70, K84: a sync that meets a truncate of its page succeeds, and nothing is left past EOF',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 0, 9)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.store(kernel, 1, 0, 1)
    kernel.pageTable.store(kernel, 1, HERE, 1)
  },
  threads: [sync, truncate(2)],
  check: (kernel) => {
    requireInvariant(kernel.inodes.sizeOf(FILE) === 2 * Page.Size, `the size is ${kernel.inodes.sizeOf(FILE)}`)
    requireInvariant(byteOf(kernel, 0) === 1 && mediaByte(kernel, 0) === 1, 'the page that stays was not written')
    const used = kernel.handle.sizes.capacity - kernel.pfns.freePages
    requireInvariant(used === 1, `${used} blocks of 1 are still allocated`)
  },
}
