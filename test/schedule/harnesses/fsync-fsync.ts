/**
 * Two fsyncs of one dirty page (S1.6, K70: the second may not return before the first has written).
 *
 * Each sync looks at media when it returns: the store that was made before is there, whoever wrote it.
 */
import { syncFile } from '../../../lib/fs/sync.js'
import { entryAt, giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { mediaByte } from './bodies.js'

const HERE = 3 * PAGE

const syncAndLook: HarnessThread = {
  name: 'fsync',
  run: (kernel) => {
    const error = syncFile(kernel, FILE)
    requireInvariant(error === 0, `fsync failed with ${error}`)
    requireInvariant(mediaByte(kernel, HERE) === 1, 'fsync returned, and the store is not on media')
    return 0
  },
}

export const FSYNC_FSYNC: Harness = {
  name: 'fsync-fsync',
  shows: 'S1.6, K70: no sync of a page that another one is writing returns before it is on media',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.store(kernel, 1, HERE, 1)
  },
  threads: [syncAndLook, syncAndLook],
  check: (kernel) => {
    const entry = entryAt(kernel, FILE, 3)
    requireInvariant(/^D4 pfn \d+$/.test(entry), `the entry is ${entry}`)
  },
}
