/** Flush by line (dax_flush with the user's eyes: clwb of a range of a mapping), before a fence makes it durable. */
import { Page } from '../constants.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { InodeWord } from '../mm/inode.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { Counter } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Cursor } from '../tree/cursor.js'
import { Mark } from '../tree/root.js'
import { nextKnownBad } from './bad-blocks.js'
import { collectStores } from './collect-stores.js'
import { lockPages, rootOf, unlockPages } from './grab-entry.js'
import type { Kernel } from './kernel.js'

const LINES_MASKED = 32

/**
 * Put every changed line that overlaps bytes [offset, offset + length) on its way to media.
 *
 * Only pages with a DIRTY entry, or written by write(2) and not fenced, can hold changed lines: a page nobody may store
 * to is equal to media, and one that is not in the cache must not even be looked at, for a look would put it there.
 * DIRTY and the page tables stay as they are: a flush is not a writeback, and a later msync of the page finds its lines
 * equal.
 *
 * Context: holds no lock; sleeps while a truncate has the range.
 * Return: lines put on their way, or -errno: EIO for a bad page, whose stores are lost.
 */
export function flushRange(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  if (length === 0) return 0
  const first = Math.floor(offset / Page.Size)
  const last = Math.floor((offset + length - 1) / Page.Size)
  kernel.locking.beginFlush(kernel, inode, first, last)
  collectStores(kernel, inode, first, last)
  let flushed = 0
  for (let page = nextDirtyPage(kernel, inode, first, last); page >= 0;) {
    const start = Math.max(offset, page * Page.Size)
    const end = Math.min(offset + length, (page + 1) * Page.Size)
    const from = Math.floor((start % Page.Size) / Page.LineSize)
    const to = Math.floor(((end - 1) % Page.Size) / Page.LineSize)
    const lines = flushLines(kernel, inode, page, from, to)
    if (lines < 0) {
      flushed = lines
      break
    }
    flushed += lines
    page = page < last ? nextDirtyPage(kernel, inode, page + 1, last) : -1
  }
  kernel.locking.endFlush(kernel, inode)
  if (flushed >= 0) {
    kernel.threads.count(kernel.self, Counter.LinesFlushed, flushed)
    const asked = Math.floor((offset + length - 1) / Page.LineSize) - Math.floor(offset / Page.LineSize) + 1
    kernel.threads.count(kernel.self, Counter.CleanFlushes, asked - flushed)
  }
  return flushed
}

/** Context: shared range held. Return: lines of one page put on their way, or -errno. */
function flushLines(kernel: Kernel, inode: number, page: number, from: number, to: number): Errno {
  // A fault sets DIRTY before it fills the cache (K52). No store can have been made to a page that is not there yet.
  if (!kernel.media.isCached(inode, page * Page.Size, Page.Size)) return 0
  if (nextKnownBad(kernel, inode, page, page + 1) >= 0) return -ErrorNumber.EIO
  const differing = kernel.media.diffPage(inode, page)
  if (differing < 0) return differing
  let flushed = 0
  for (let line = from; line <= to; line++) {
    const mask = kernel.media.lineMask(line < LINES_MASKED ? 0 : 1)
    const changed = ((mask >>> (line % LINES_MASKED)) & 1) === 1
    // A line equal to media may still have a snapshot on its way that is not: the new state replaces it.
    if (!changed && !kernel.pending.has(inode, page, line)) continue
    const error = kernel.pending.flush(kernel.self, inode, page, line)
    if (error < 0) return error
    flushed++
  }
  return flushed
}

/** Return: the first page in [from, last] that may differ from media, or -1. */
function nextDirtyPage(kernel: Kernel, inode: number, from: number, last: number): number {
  const cursor = new Cursor()
  lockPages(kernel, inode)
  const marked = kernel.tree.nextMarked(rootOf(kernel, inode), from, last, Mark.Dirty, cursor)
  unlockPages(kernel, inode)
  const dirty = marked ? Math.max(from, cursor.index) : Infinity

  const at = kernel.inodes.at(inode)
  const range = new ExtentCursor()
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const found = kernel.unfenced.findFrom(at + InodeWord.UnfencedRoot, from * Page.LinesPerPage, range)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  const unfenced = found ? Math.max(from, Math.floor(range.start / Page.LinesPerPage)) : Infinity

  const page = Math.min(dirty, unfenced)
  return page <= last ? page : -1
}
