/**
 * A MAP_SYNC store against the commit of an fsync (K50, K62–K64): a store is possible only when the block of its page
 * is committed.
 *
 * Page 2 has a block that is not committed yet, so the file's metadata is dirty from the start. The double of the host
 * notes page by page what was committed, and each store through the MAP_SYNC mapping looks there.
 */
import { VmaFlag } from '../../../lib/mm/vma.js'
import { type SmallKernel, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, storeByte, sync } from './bodies.js'

const SYNC_MAPPING = 2
const INDEX = 3

function requireCommitted(kernel: SmallKernel): void {
  kernel.pageTable.onStore = (vma, pgoff) => {
    const committed = kernel.words.get(kernel.media.committedCell(FILE, pgoff)) === 1
    requireInvariant(vma !== SYNC_MAPPING || committed, `a store to page ${pgoff}, whose block is not committed`)
  }
}

export const SYNC_MAP_COMMIT: Harness = {
  name: 'sync-map-commit',
  shows: 'K50, K62, K64: no store through MAP_SYNC goes ahead of the commit of its block',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    mapFile(kernel, FILE)
    const { vmas } = kernel
    vmas.setFlags(SYNC_MAPPING, vmas.flagsOf(SYNC_MAPPING) | VmaFlag.Sync)
    kernel.pageTable.store(kernel, 1, 2 * PAGE, 5)
  },
  threads: [
    {
      name: 'MAP_SYNC store',
      run: (kernel) => {
        requireCommitted(kernel)
        return storeByte(kernel, SYNC_MAPPING, INDEX * PAGE, 1)
      },
    },
    sync,
  ],
  check: (kernel) => {
    requireInvariant(byteOf(kernel, INDEX * PAGE) === 1, 'the store is gone')
    const committed = kernel.words.get(kernel.media.committedCell(FILE, INDEX)) === 1
    requireInvariant(committed, 'the block is not committed')
  },
}
