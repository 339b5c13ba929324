/**
 * Several fsyncs of the same dirty pages (S1.6, K70: none may return before all have written).
 *
 * Each sync looks at media when it returns: the stores that were made before are there, whoever wrote them. With two
 * pages one of them may be taken by another sync after a sync has tagged it and before it comes to it.
 */
import { syncFile, syncRange } from '../../../lib/fs/sync.js'
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

const SECOND = 2 * PAGE

/** msync of some of the two pages. */
function msyncAndLook(first: number, last: number): HarnessThread {
  return {
    name: `msync ${first} to ${last}`,
    run: (kernel) => {
      const error = syncRange(kernel, FILE, first, last)
      requireInvariant(error === 0, `msync failed with ${error}`)
      for (let page = first; page <= last; page++) {
        const isThere = mediaByte(kernel, page * PAGE) === page
        requireInvariant(isThere, `msync returned, and the store to page ${page} is not on media`)
      }
      return 0
    },
  }
}

export const FSYNC_PARTS: Harness = {
  name: 'fsync-parts',
  shows: 'S1.6, K70: no sync returns before what another one took from it is on media',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 1, 9)
    giveBlock(kernel, FILE, 2, 10)
    kernel.pageTable.store(kernel, 1, PAGE, 1)
    kernel.pageTable.store(kernel, 1, SECOND, 2)
  },
  threads: [msyncAndLook(1, 2), msyncAndLook(1, 1), msyncAndLook(2, 2)],
  check: (kernel) => {
    for (const page of [1, 2]) {
      const entry = entryAt(kernel, FILE, page)
      requireInvariant(/^D4 pfn \d+$/.test(entry), `the entry is ${entry}`)
    }
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
