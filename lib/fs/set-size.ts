/**
 * Changing the size of a file (truncate), and taking pages out of its middle (punch, zero range).
 *
 * Order for shrinking (K84), and why: exclusive range, so that no fault is being served on what goes; the tail of the
 * last page is zeroed in place (K100); then the new size, so that nobody writes media past it any more; then the cache,
 * which unmaps the pages in every mapping, copies of private ones included; then the entries, waiting for whoever works
 * on one; then the blocks, which from here on may be given to others; media last. Every ftruncate and punch unmaps the
 * whole file, as DAX file systems do (they break layouts): what stays is mapped again by the next access.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { LAST_INDEX, deleteEntries, waitForEntry } from '../dax/invalidate.js'
import { dropUnfenced } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'

/**
 * ftruncate. Context: takes i_rwsem and the range lock; may sleep until faults and syncs on the range are over.
 * Return: 0 or -errno: EFBIG past the address space reserved at open, EIO… of the host.
 */
export function setSize(machine: Machine, inode: number, size: number): Errno {
  const { inodes, words } = machine
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  if (size > inodes.number(inode, InodeWord.Reserve)) return -ErrorNumber.EFBIG
  writeLock(words, rwsem)
  try {
    const before = inodes.sizeOf(inode)
    const from = Math.floor(Math.min(size, before) / Page.Size)
    machine.locking.beginTruncate(machine, inode, from, LAST_INDEX)
    try {
      let error: Errno = 0
      if (size < before) error = shrink(machine, inode, size)
      else if (size > before) error = extendFile(machine, inode, size)
      machine.pageTable.unmapPages(inode, 0, PGOFF_LIMIT)
      return error
    } finally {
      machine.locking.endTruncate(machine, inode)
    }
  } finally {
    writeUnlock(words, rwsem)
  }
}

/**
 * Grow the file. What a mapping stored past the old end of the last page must not become visible (K102): it is zeroed.
 * Context: i_rwsem held exclusively. Return: 0 or -errno.
 */
export function extendFile(machine: Machine, inode: number, size: number): Errno {
  const { inodes, media } = machine
  const before = inodes.sizeOf(inode)
  if (before % Page.Size !== 0) {
    const tail = Math.min(size, Math.ceil(before / Page.Size) * Page.Size) - before
    let error = media.zeroCache(inode, before, tail)
    if (error >= 0) error = renewSnapshots(machine, inode, before, before + tail)
    if (error < 0) return error
  }
  // Media before size before cache: an access past the old end is a SIGBUS until the very last step.
  const error = media.resizeMedia(inode, size)
  if (error < 0) return error
  inodes.setSize(inode, size)
  return media.resizeCache(inode, size)
}

function shrink(machine: Machine, inode: number, size: number): Errno {
  const { inodes, media, words, blocks } = machine
  const at = inodes.at(inode)
  const firstGone = Math.ceil(size / Page.Size)
  const tail = size % Page.Size
  if (tail !== 0) {
    let error = media.zeroCache(inode, size, Page.Size - tail)
    if (error >= 0) error = renewSnapshots(machine, inode, size, size + Page.Size - tail)
    if (error < 0) return error
  }
  inodes.setSize(inode, size)
  const resized = media.resizeCache(inode, size)
  if (resized < 0) return resized
  deleteEntries(machine, inode, firstGone, LAST_INDEX)
  // A sync may be writing the page at the new end with the old size in hand: media is cut after it is done.
  if (tail !== 0) waitForEntry(machine, inode, firstGone - 1)
  machine.pending.dropFrom(inode, size)

  mutexLock(words, at + InodeWord.Sync)
  let error = dropUnfenced(machine, inode, size, Infinity)
  if (error >= 0) error = media.resizeMedia(inode, size)
  mutexUnlock(words, at + InodeWord.Sync)
  if (error < 0) return error

  mutexLock(words, at + InodeWord.Blocks)
  error = blocks.free(at + InodeWord.BlockRoot, firstGone, PGOFF_LIMIT - firstGone)
  mutexUnlock(words, at + InodeWord.Blocks)
  if (error === 0) inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return error
}

/**
 * Make [offset, offset + length) read zero without changing the size: whole pages become a hole (punch) or unwritten
 * blocks (zero range), the ends of partial pages are zeroed in place (K101: nothing is allocated for that).
 *
 * Context: takes i_rwsem and the range lock exclusively; may sleep. Return: 0 or -errno.
 */
export function zeroRange(machine: Machine, inode: number, offset: number, length: number, keepBlocks: boolean): Errno {
  const { inodes, words } = machine
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  writeLock(words, rwsem)
  try {
    const end = Math.min(offset + length, inodes.sizeOf(inode))
    if (offset >= end) return 0
    const first = Math.floor(offset / Page.Size)
    machine.locking.beginTruncate(machine, inode, first, Math.ceil(end / Page.Size) - 1)
    try {
      return zeroLocked(machine, inode, offset, end, keepBlocks)
    } finally {
      machine.locking.endTruncate(machine, inode)
    }
  } finally {
    writeUnlock(words, rwsem)
  }
}

/** Context: exclusive range held; `end` is inside the file. */
function zeroLocked(machine: Machine, inode: number, offset: number, end: number, keepBlocks: boolean): Errno {
  const { media, words, blocks, inodes } = machine
  const at = inodes.at(inode)
  const size = inodes.sizeOf(inode)
  // The last page of the file is whole when the range reaches EOF.
  const wholeEnd = end === size ? Math.ceil(size / Page.Size) : Math.floor(end / Page.Size)
  const wholeFirst = Math.min(Math.ceil(offset / Page.Size), wholeEnd)
  machine.pageTable.unmapPages(inode, 0, PGOFF_LIMIT)
  const wholeFrom = Math.max(offset, wholeFirst * Page.Size)
  const wholeTo = Math.max(wholeFrom, Math.min(end, wholeEnd * Page.Size))

  let error = zeroPart(machine, inode, offset, Math.min(wholeFrom, end))
  if (error >= 0 && wholeTo < end && wholeTo >= wholeFrom)
    error = zeroPart(machine, inode, Math.max(wholeTo, offset), end)
  if (error < 0 || wholeFirst >= wholeEnd) return error

  const bytes = (wholeEnd - wholeFirst) * Page.Size
  deleteEntries(machine, inode, wholeFirst, wholeEnd - 1)
  machine.pending.dropRange(inode, wholeFirst * Page.Size, wholeEnd * Page.Size)
  mutexLock(words, at + InodeWord.Sync)
  error = dropUnfenced(machine, inode, wholeFirst * Page.Size, wholeEnd * Page.Size)
  if (error >= 0) error = media.dropCache(inode, wholeFirst * Page.Size, bytes)
  if (error >= 0) error = media.punchMedia(inode, wholeFirst * Page.Size, bytes)
  mutexUnlock(words, at + InodeWord.Sync)
  if (error < 0) return error

  mutexLock(words, at + InodeWord.Blocks)
  const root = at + InodeWord.BlockRoot
  error = blocks.free(root, wholeFirst, wholeEnd - wholeFirst)
  if (error === 0 && keepBlocks) {
    error = blocks.allocateRange(root, wholeFirst, wholeEnd - wholeFirst, BlockState.Unwritten)
  }
  mutexUnlock(words, at + InodeWord.Blocks)
  inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return error
}

/**
 * Zero part of a page in place: in the cache if the page is there (its entry keeps its marks), and on media, at once:
 * the bytes are gone, whatever fails later.
 */
function zeroPart(machine: Machine, inode: number, from: number, to: number): Errno {
  if (from >= to) return 0
  let error = machine.media.zeroCache(inode, from, to - from)
  if (error >= 0) error = renewSnapshots(machine, inode, from, to)
  if (error < 0) return error
  // A sync that compared the page before it was zeroed may still be writing it: media is zeroed after it.
  waitForEntry(machine, inode, Math.floor(from / Page.Size))
  return machine.media.zeroMedia(inode, from, to - from)
}

/**
 * Bytes of the cache were zeroed: no snapshot of them from before may reach media with a later fence. A line that keeps
 * bytes outside the range is flushed anew, for those must still be made durable by that fence; the others are
 * forgotten.
 * Context: exclusive range or i_rwsem held. Return: 0 or -errno of a media write that took place.
 */
function renewSnapshots(machine: Machine, inode: number, from: number, to: number): Errno {
  const { pending, self } = machine
  pending.dropRange(inode, from, to)
  for (const offset of [from, to - 1]) {
    const pgoff = Math.floor(offset / Page.Size)
    const line = Math.floor((offset % Page.Size) / Page.LineSize)
    if (!pending.has(inode, pgoff, line)) continue
    const error = pending.flush(self, inode, pgoff, line)
    if (error < 0) return error
  }
  return 0
}

/**
 * fallocate mode 0: blocks for every hole of the range, unwritten, so that later stores need no space; grows the file.
 * Context: takes i_rwsem exclusively. Return: 0, -ENOSPC with nothing allocated, -EFBIG.
 */
export function allocateRange(
  machine: Machine,
  inode: number,
  offset: number,
  length: number,
  keepSize: boolean,
): Errno {
  const { inodes, words, blocks } = machine
  const at = inodes.at(inode)
  if (offset + length > inodes.number(inode, InodeWord.Reserve)) return -ErrorNumber.EFBIG
  writeLock(words, at + InodeWord.Rwsem)
  try {
    const first = Math.floor(offset / Page.Size)
    const end = Math.ceil((offset + length) / Page.Size)
    mutexLock(words, at + InodeWord.Blocks)
    const error = blocks.allocateRange(at + InodeWord.BlockRoot, first, end - first, BlockState.Unwritten)
    mutexUnlock(words, at + InodeWord.Blocks)
    if (error < 0) return error
    inodes.setFlags(inode, InodeFlag.MetadataDirty)
    return !keepSize && offset + length > inodes.sizeOf(inode) ? extendFile(machine, inode, offset + length) : 0
  } finally {
    writeUnlock(words, at + InodeWord.Rwsem)
  }
}
