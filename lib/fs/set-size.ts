/**
 * Changing the size of a file (ftruncate; K84, K100, K102).
 *
 * Order for shrinking, and why: exclusive range, so that no fault is being served on what goes; the tail of the last
 * page is zeroed in place (K100); then the new size, so that nobody writes media past it any more; then the entries,
 * waiting for whoever works on one; then the cache, which unmaps the pages in every mapping, copies of private ones
 * included: before, a sync that holds an entry would look at a page that is gone; then the blocks, which from here on
 * may be given to others; media last.
 *
 * Every ftruncate, even to the same size, unmaps the whole file (dax_layout_busy_page): what stays is mapped again by
 * the next access (FACTS 11).
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { anyKnownBad, noteBadBlocksLocked } from '../dax/bad-blocks.js'
import { LAST_INDEX, deleteEntries, waitForEntry } from '../dax/invalidate.js'
import { traceFile } from '../dax/trace.js'
import { dropUnfenced, noteUnfenced } from '../dax/unfenced-writes.js'
import { saveAcross } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { Trace } from '../trace/tracepoints.js'
import { keepBytes, zeroOnMedia } from './keep-bytes.js'
import { cutMedia, settleMediaSize } from './media-size.js'
import { zeroBytes } from './zero-bytes.js'

/** In place of an end: to the end of the file, as the kernel writes it. */
export const TO_END = -1

const LLONG_MAX = 2 ** 63

/**
 * ftruncate. Context: takes i_rwsem and the range lock; may sleep until faults and syncs on the range are over.
 * Return: 0 or -errno: EFBIG past the address space reserved at open, EIO when the page of the new or the old EOF has
 * to be zeroed in part and is bad (K101), EIO… of the host: the file may have the new size all the same, see
 * media-size.ts.
 */
export function setSize(kernel: Kernel, inode: number, size: number): Errno {
  const { inodes, words } = kernel
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  if (size > inodes.number(inode, InodeWord.Reserve)) return -ErrorNumber.EFBIG
  writeLock(words, rwsem)
  try {
    const before = inodes.sizeOf(inode)
    const from = Math.floor(Math.min(size, before) / Page.Size)
    kernel.locking.beginTruncate(kernel, inode, from, LAST_INDEX)
    try {
      breakLayouts(kernel, inode)
      const error = size < before ? shrink(kernel, inode, size) : grow(kernel, inode, before, size)
      if (error >= 0) inodes.touchTimes(inode)
      return error
    } finally {
      kernel.locking.endTruncate(kernel, inode)
    }
  } finally {
    writeUnlock(words, rwsem)
  }
}

/**
 * dax_layout_busy_page of the whole file: nobody may hold a page while blocks move. Here: unmap everything.
 * Context: exclusive range held.
 */
export function breakLayouts(kernel: Kernel, inode: number): void {
  traceFile(kernel, Trace.LayoutBusyPageRange, inode, 0, LLONG_MAX)
  unmapWholeFile(kernel, inode)
}

function unmapWholeFile(kernel: Kernel, inode: number): void {
  if (kernel.words.load(kernel.inodes.at(inode) + InodeWord.MmapHead) === 0) return
  traceFile(kernel, Trace.UnmapMappingPages, inode, 0, 0)
  kernel.pageTable.unmapPages(inode, 0, PGOFF_LIMIT)
}

/** Context: exclusive range held. */
function grow(kernel: Kernel, inode: number, before: number, size: number): Errno {
  const { flavour } = kernel
  if (size > before && flavour.zeroesWhenExtending) traceFile(kernel, Trace.ZeroRange, inode, before, size - before)
  else if (size > before && before % Page.Size !== 0) traceTail(kernel, inode, before)
  traceFile(kernel, Trace.TruncateInodePages, inode, size, TO_END)
  if (isTailBad(kernel, inode, before)) return -ErrorNumber.EIO
  if (size > before) return extendFile(kernel, inode, size)
  if (size % Page.Size === 0) return 0
  // To the same size: what mappings stored past EOF goes all the same.
  traceTail(kernel, inode, size)
  return zeroBytes(kernel, inode, size, Math.ceil(size / Page.Size) * Page.Size)
}

/** K101: the tail of the last page is zeroed in place, which a bad page refuses. */
function isTailBad(kernel: Kernel, inode: number, size: number): boolean {
  return size % Page.Size !== 0 && anyKnownBad(kernel, inode, size, size + 1)
}

function traceTail(kernel: Kernel, inode: number, size: number): void {
  traceFile(kernel, Trace.ZeroRange, inode, size, Page.Size - (size % Page.Size))
}

/**
 * Grow the file. What a mapping stored past the old end of the last page must not become visible (K102): it is zeroed,
 * unless `keepTail` says that this file system forgets to (an extending write on ext4, FACTS 14).
 * Context: i_rwsem held exclusively. Return: 0 or -errno.
 */
export function extendFile(kernel: Kernel, inode: number, size: number, keepTail = false): Errno {
  const { inodes, media } = kernel
  const settled = settleMediaSize(kernel, inode)
  if (settled < 0) return settled
  const before = inodes.sizeOf(inode)
  if (before % Page.Size !== 0 && !keepTail) {
    const error = zeroBytes(kernel, inode, before, Math.ceil(before / Page.Size) * Page.Size)
    if (error < 0) return error
  }
  // Bytes that become part of the file by staying were written to it, as far as syncs are concerned: they may be on no
  // page that is still dirty.
  const tail = Math.ceil(before / Page.Size) * Page.Size - before
  if (keepTail && tail > 0 && media.isCached(inode, before, tail)) noteUnfenced(kernel, inode, before, tail)
  // Media before size before cache: an access past the old end is a SIGBUS until the very last step.
  const error = media.resizeMedia(inode, size)
  if (error < 0) return error
  inodes.setSize(inode, size)
  return media.resizeCache(inode, size)
}

/** Context: exclusive range held. */
function shrink(kernel: Kernel, inode: number, size: number): Errno {
  const { media, words, blocks, inodes } = kernel
  const at = inodes.at(inode)
  const firstGone = Math.ceil(size / Page.Size)
  const tail = size % Page.Size
  if (isTailBad(kernel, inode, size)) return -ErrorNumber.EIO
  const saved = saveAcross(kernel, inode, firstGone, LAST_INDEX)
  if (saved < 0) return saved
  if (tail !== 0) {
    const end = size + Page.Size - tail
    let error = zeroBytes(kernel, inode, size, end)
    // The line the end is in goes to media now: cutting media would take its tail, and pass by what was stored to it.
    const line = Math.min(end, size + Page.LineSize - (size % Page.LineSize))
    if (error >= 0 && size % Page.LineSize !== 0 && media.isCached(inode, size, 1)) {
      error = zeroOnMedia(kernel, inode, size, line)
    }
    if (error < 0) {
      keepBytes(kernel, inode, size, end)
      return error
    }
  }
  traceFile(kernel, Trace.TruncateInodePages, inode, size, TO_END)
  const cut = cutPages(kernel, inode, size)
  if (cut < 0) return cut
  if (tail !== 0) traceTail(kernel, inode, size)
  kernel.pending.dropFrom(inode, size)

  mutexLock(words, at + InodeWord.Sync)
  let error = dropUnfenced(kernel, inode, size, Infinity)
  const owed = cutMedia(kernel, inode)
  if (error >= 0) error = media.uncommitBlocks(inode, firstGone, PGOFF_LIMIT)
  if (error >= 0) {
    mutexLock(words, at + InodeWord.Blocks)
    error = blocks.free(at + InodeWord.BlockRoot, firstGone, PGOFF_LIMIT - firstGone)
    mutexUnlock(words, at + InodeWord.Blocks)
  }
  if (error >= 0) error = noteBadBlocksLocked(kernel, inode)
  mutexUnlock(words, at + InodeWord.Sync)
  if (error >= 0) inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return owed < 0 ? owed : error
}

/**
 * The new size, and what lies past it goes: entries, cached pages, mappings of them. Media is for the caller, who may
 * cut it when this is over: nobody writes it past the new size any more.
 * Context: exclusive range held; may sleep until faults and syncs on the pages are over. Return: 0 or -errno.
 */
export function cutPages(kernel: Kernel, inode: number, size: number): Errno {
  const firstGone = Math.ceil(size / Page.Size)
  kernel.inodes.setSize(inode, size)
  deleteEntries(kernel, inode, firstGone, LAST_INDEX)
  const resized = kernel.media.resizeCache(inode, size)
  // A sync may be writing the page at the new end with the old size in hand.
  if (size % Page.Size !== 0) waitForEntry(kernel, inode, firstGone - 1)
  return resized
}
