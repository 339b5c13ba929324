/**
 * Flush and fence by line against writeback of the page (D9, K71, S1.3): an old snapshot never overwrites newer bytes
 * that a sync has acknowledged.
 *
 * One thread flushes the line and fences. The other stores 2, syncs, and looks at media: 2 is there, and stays.
 */
import { flushRange } from '../../../lib/dax/flush-range.js'
import { syncFile } from '../../../lib/fs/sync.js'
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { mediaByte, storeByte } from './bodies.js'

const HERE = 3 * PAGE

export const PENDING_WRITEBACK: Harness = {
  name: 'pending-writeback',
  shows: 'K71, S1.3: a fence brings no snapshot to media that is older than what a sync has written',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.store(kernel, 1, HERE, 1)
  },
  threads: [
    {
      name: 'flush, fence',
      run: (kernel) => {
        const flushed = flushRange(kernel, FILE, HERE, 64)
        requireInvariant(flushed >= 0 && kernel.pending.fence(kernel.self) === 0, 'flush or fence failed')
        const media = mediaByte(kernel, HERE)
        requireInvariant(media === 1 || media === 2, `fenced, and media has ${media}`)
        return flushed
      },
    },
    {
      name: 'store, fsync',
      run: (kernel) => {
        storeByte(kernel, 1, HERE, 2)
        requireInvariant(syncFile(kernel, FILE) === 0, 'fsync failed')
        requireInvariant(mediaByte(kernel, HERE) === 2, 'fsync returned, and the store is not on media')
        return 0
      },
    },
  ],
  check: (kernel) => {
    requireInvariant(mediaByte(kernel, HERE) === 2, `media has ${mediaByte(kernel, HERE)}, older than what was synced`)
    requireInvariant(kernel.pending.count === 0, 'a line is still on its way')
  },
}
