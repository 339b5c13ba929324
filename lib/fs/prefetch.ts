/**
 * Bringing pages into the cache ahead of their use, without mapping them: DaxMapping.prefetch.
 *
 * What is saved is the reading of media, in large pieces instead of page by page; each page is mapped by a fault of its
 * own all the same, so entries, locks and tags are as without it. DAX has no such call (it ignores MADV_WILLNEED, as
 * madvise does here): there is nothing to read ahead where media is memory.
 *
 * A piece is filled while its range is held exclusively, and with i_rwsem, shared: faults and write(2) fill the cache
 * too, and whoever came second would put media's bytes over what was stored meanwhile. Pages that are there are left
 * alone; so are holes and bad pages, which no fault would bring in either.
 */
import { Page } from '../constants.js'
import { mayHaveBadBlocks } from '../dax/bad-blocks.js'
import type { Errno } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { BlockState } from '../media/block-map.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Pause } from '../sync/pause.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'

/** Bytes a call of prefetchPiece may be given: how long faults on them wait for it. */
export const PREFETCH_BYTES = Page.PmdSize

const pause = new Pause()

/**
 * Bring in what the file has of a range.
 * Context: takes i_rwsem shared and the range lock; sleeps until faults on the range are over, and on media.
 * Return: pages that were brought in, or -errno of media that does not give them.
 */
export function prefetchPiece(machine: Machine, inode: number, offset: number, length: number): Errno {
  const { inodes, words, locking, handle, media } = machine
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  readLock(words, rwsem)
  try {
    const first = Math.floor(offset / Page.Size)
    const end = Math.min(Math.ceil((offset + length) / Page.Size), inodes.pagesOf(inode))
    // Who looks first does not hold up faults for nothing.
    if (forEachRun(machine, inode, first, end, (page, pages) => isMissing(machine, inode, page, pages)) === 0) return 0
    locking.beginTruncate(machine, inode, first, end - 1)
    try {
      const filled = forEachRun(machine, inode, first, end, (page, pages) => media.fillPages(inode, page, pages))
      if (filled > 0 && handle.config.mediaLatency > 0) pause.microseconds(handle.config.mediaLatency)
      return filled
    } finally {
      locking.endTruncate(machine, inode)
    }
  } finally {
    readUnlock(words, rwsem)
  }
}

/** Context: i_rwsem held; takes ilock. Return: the sum of what `visit` returns of runs to be filled, or its -errno. */
function forEachRun(
  machine: Machine,
  inode: number,
  first: number,
  end: number,
  visit: (page: number, pages: number) => Errno,
): Errno {
  let sum = 0
  for (let page = first; page < end;) {
    const run = runAt(machine, inode, page, end)
    const visited = run > 0 ? visit(page, run) : 0
    if (visited < 0) return visited
    sum += visited
    page += Math.abs(run)
  }
  return sum
}

function isMissing({ media }: Machine, inode: number, page: number, pages: number): 0 | 1 {
  return media.isCached(inode, page * Page.Size, pages * Page.Size) ? 0 : 1
}

/** Return: pages from `page` on that are to be filled, or, negative, that are not: of a hole, or bad. */
function runAt(machine: Machine, inode: number, page: number, end: number): number {
  const { words, inodes, blocks, blockCursor, pfns } = machine
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const state = blocks.lookup(at + InodeWord.BlockRoot, page, blockCursor)
  const { pfn } = blockCursor
  const pages = Math.min(blockCursor.pages, end - page)
  mutexUnlock(words, at + InodeWord.Blocks)
  if (state !== BlockState.Written) return -pages
  const bad = mayHaveBadBlocks(machine, inode) ? pfns.nextPoisoned(pfn, pages) : 0
  if (bad === 0) return pages
  return bad === pfn ? -1 : bad - pfn
}
