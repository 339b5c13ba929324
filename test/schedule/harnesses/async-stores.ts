/**
 * First stores that no fault tells of (dax/collect-stores.ts) against syncs, and against a page that goes and comes
 * back.
 *
 * A load has mapped the page through an asynchronous mapping. One thread stores to it, and looks at media when its own
 * sync returns. The other syncs too: it may have the entry locked, with its bytes written, when the store is found. Or
 * it drops the page from the page table and loads it again, which maps it protected, as if nobody had stored to it.
 */
import { flushRange } from '../../../lib/dax/flush-range.js'
import { syncFile } from '../../../lib/fs/sync.js'
import { giveBlock, mapAsync } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, loadByte, mediaByte, storeByte, sync } from './bodies.js'

const HERE = 3 * PAGE

const storeAndSync: HarnessThread = {
  name: 'store and fsync',
  run: (kernel) => {
    storeByte(kernel, 1, HERE, 2)
    const error = syncFile(kernel, FILE)
    requireInvariant(error === 0, `fsync failed with ${error}`)
    requireInvariant(mediaByte(kernel, HERE) === 2, 'fsync returned, and the store before it is not on media')
    return 0
  },
}

const dropAndLoad: HarnessThread = {
  name: 'drop and load',
  run: (kernel) => {
    kernel.pageTable.forget(1)
    return loadByte(kernel, 1, HERE)
  },
}

export const ASYNC_STORE_SYNC: Harness = {
  name: 'async-store-sync',
  shows: 'S1.6, K70: a store that only the page table knows of is written by the sync after it, whoever else syncs',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapAsync(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.store(kernel, 1, HERE, 1)
  },
  threads: [storeAndSync, sync],
  check: (kernel) => {
    requireInvariant(byteOf(kernel, HERE) === 2, 'the store is gone')
  },
}

const storeAndFlush: HarnessThread = {
  name: 'store and flush',
  run: (kernel) => {
    storeByte(kernel, 1, HERE, 2)
    const lines = flushRange(kernel, FILE, HERE, 64)
    requireInvariant(lines >= 0, `flush failed with ${lines}`)
    kernel.pending.fence(kernel.self)
    requireInvariant(mediaByte(kernel, HERE) === 2, 'the fence is over, and the store that was flushed is not on media')
    return 0
  },
}

export const ASYNC_STORE_FLUSH: Harness = {
  ...ASYNC_STORE_SYNC,
  name: 'async-store-flush',
  shows: 'K71: a flush of lines finds a store that only the page table knows of, whoever syncs the page meanwhile',
  threads: [storeAndFlush, sync],
}

export const ASYNC_STORE_DROP: Harness = {
  ...ASYNC_STORE_SYNC,
  name: 'async-store-drop',
  shows: 'K70, B17: a page that was stored to is dirty when it is loaded again after it went from the page table',
  setup: (kernel) => {
    mapAsync(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.load(kernel, 1, HERE)
  },
  threads: [storeAndSync, dropAndLoad],
}
