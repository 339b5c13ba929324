/** What write(2) put on its way to media, and the fence that has it arrive (K74). */
import { Page } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { LOST, flushBytes, noteTold, withLost } from './flush-bytes.js'
import type { Kernel } from './kernel.js'

/** Unfenced writes are noted in lines, so that neighbouring small writes become one extent. */
const LINE = Page.LineSize

/**
 * Note that write(2) put bytes of the file on their way: non-temporal stores, no flush needed, a fence still is (K74).
 * Context: i_rwsem held exclusively; takes ilock. Return: 0 or -errno (pool of extents exhausted).
 */
export function noteUnfenced(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  const at = kernel.inodes.at(inode)
  const first = Math.floor(offset / LINE)
  const count = Math.ceil((offset + length) / LINE) - first
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = kernel.unfenced.insert(at + InodeWord.UnfencedRoot, first, count, 0, 0)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}

/**
 * The fence of a sync: what write(2) put on its way is on media when this returns.
 *
 * One sync at a time: a second one that finds the set empty may not return before the first has written what it took.
 * A range leaves the set only after it was written, so an error keeps it for the next sync. No write(2) may come in
 * between: what it notes of the same lines would leave the set unwritten. Hence i_rwsem, shared.
 *
 * Context: holds no entry lock; takes i_rwsem shared, the Sync mutex over host writes, and ilock inside it.
 * Return: 0, LOST when bad pages were among it, or -errno.
 */
export function drainUnfenced(kernel: Kernel, inode: number): Errno {
  const rwsem = kernel.inodes.at(inode) + InodeWord.Rwsem
  readLock(kernel.words, rwsem)
  try {
    return drainUnfencedLocked(kernel, inode)
  } finally {
    readUnlock(kernel.words, rwsem)
  }
}

/** drainUnfenced for a caller that holds i_rwsem. */
export function drainUnfencedLocked(kernel: Kernel, inode: number): Errno {
  const at = kernel.inodes.at(inode)
  const root = at + InodeWord.UnfencedRoot
  const range = new ExtentCursor()
  let error: Errno = 0
  let lost: Errno = 0
  mutexLock(kernel.words, at + InodeWord.Sync)
  while (error >= 0) {
    mutexLock(kernel.words, at + InodeWord.Blocks)
    const found = kernel.unfenced.findFrom(root, 0, range)
    mutexUnlock(kernel.words, at + InodeWord.Blocks)
    if (!found) break
    const { start, length } = range
    error = flushBytes(kernel, inode, start * LINE, length * LINE)
    if (error < 0 && error !== LOST) break
    if (error === LOST) {
      lost = LOST
      const end = Math.ceil((start + length) / Page.LinesPerPage)
      noteTold(kernel, inode, Math.floor(start / Page.LinesPerPage), end)
    }
    mutexLock(kernel.words, at + InodeWord.Blocks)
    error = kernel.unfenced.remove(root, start, length)
    mutexUnlock(kernel.words, at + InodeWord.Blocks)
  }
  mutexUnlock(kernel.words, at + InodeWord.Sync)
  error = withLost(Math.min(error, 0), lost)
  if (error < 0) kernel.inodes.recordError(inode, error === LOST ? ErrorNumber.EIO : -error)
  return error
}

/** Forget unfenced writes at or past `offset`. Context: caller holds the Sync mutex; takes ilock. */
export function dropUnfenced(kernel: Kernel, inode: number, from: number, to: number): Errno {
  const at = kernel.inodes.at(inode)
  const first = Math.ceil(from / LINE)
  const last = to === Infinity ? Number.MAX_SAFE_INTEGER : Math.floor(to / LINE)
  if (first >= last) return 0
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = kernel.unfenced.remove(at + InodeWord.UnfencedRoot, first, last - first)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}
