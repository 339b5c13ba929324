/**
 * Collapse and insert range: the blocks behind a point move to other pages of the file.
 *
 * Media follows by moving bytes: data stays at its file offset on the host, so what is behind the point is copied there
 * too (the host's own collapse is not on every file system). First everything dirty is written back, so that media is
 * the whole truth; then entries and cache behind the point go, and every page is filled from media at its new place.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { noteBadBlocksLocked } from '../dax/bad-blocks.js'
import { LAST_INDEX, deleteEntries } from '../dax/invalidate.js'
import { traceFile } from '../dax/trace.js'
import { LOST, drainUnfencedLocked, saveRange } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Trace } from '../trace/tracepoints.js'
import { TO_END } from './set-size.js'

/**
 * insert: make room; else collapse.
 * Context: exclusive range of the whole file and i_rwsem held.
 * Return: 0; -EINVAL (not whole pages, collapse that reaches EOF, insert at or past it), -EFBIG, -ENOSPC (extents),
 * EIO.
 */
export function shiftRange(kernel: Kernel, inode: number, offset: number, length: number, insert: boolean): Errno {
  const { inodes, media } = kernel
  const size = inodes.sizeOf(inode)
  if (offset % Page.Size !== 0 || length % Page.Size !== 0) return -ErrorNumber.EINVAL
  if (insert ? offset >= size : offset + length >= size) return -ErrorNumber.EINVAL
  const newSize = insert ? size + length : size - length
  if (newSize > inodes.number(inode, InodeWord.Reserve)) return -ErrorNumber.EFBIG

  const point = offset / Page.Size
  const pages = length / Page.Size
  let error = writebackAround(kernel, inode, point, pages, insert)
  if (error < 0) return error
  traceFile(kernel, Trace.TruncateInodePages, inode, offset, TO_END)
  deleteEntries(kernel, inode, point, LAST_INDEX)
  const whole = Math.ceil(size / Page.Size) * Page.Size
  dropCopies(kernel, inode, point)
  error = media.dropCache(inode, offset, whole - offset)
  if (error < 0) return error
  // No commit in between, which would make blocks on the host where they no longer are.
  const sync = inodes.at(inode) + InodeWord.Sync
  mutexLock(kernel.words, sync)
  // What was committed of the part that moves is committed anew with the next sync.
  error = media.uncommitBlocks(inode, point, PGOFF_LIMIT)
  // Blocks before bytes: that can find no extent record, and then nothing has changed yet.
  if (error >= 0) error = moveBlocks(kernel, inode, point, pages, insert)
  if (error >= 0)
    error = insert ? moveUp(kernel, inode, offset, length, size) : moveDown(kernel, inode, offset, length, size)
  if (error >= 0) error = noteBadBlocksLocked(kernel, inode)
  mutexUnlock(kernel.words, sync)
  if (error < 0) return error
  inodes.setSize(inode, newSize)
  error = media.resizeCache(inode, newSize)
  inodes.setFlags(inode, InodeFlag.MetadataDirty)
  inodes.touchTimes(inode)
  return error
}

/** The kernel writes back what is removed, and apart from that what moves. */
function writebackAround(kernel: Kernel, inode: number, point: number, pages: number, insert: boolean): Errno {
  let error: Errno
  if (!insert) {
    // The first range ends with the page of the point: filemap_write_and_wait_range(ioffset, offset).
    error = saveAll(kernel, inode, point, point)
    if (error >= 0) error = saveAll(kernel, inode, point + pages, LAST_INDEX)
    if (error >= 0) error = saveAll(kernel, inode, point, LAST_INDEX, false)
  } else error = saveAll(kernel, inode, point, LAST_INDEX)
  if (error >= 0) error = drainUnfencedLocked(kernel, inode)
  return error === LOST ? 0 : error
}

/** Bad pages move with the others; what was stored to them is lost already. */
function saveAll(kernel: Kernel, inode: number, first: number, last: number, traced = true): Errno {
  const error = saveRange(kernel, inode, first, last, traced)
  return error === LOST ? 0 : error
}

/** ext4 drops private copies from the point on, xfs leaves them where they were (FACTS 13). */
function dropCopies(kernel: Kernel, inode: number, point: number): void {
  if (kernel.flavour.collapseDropsCopies) kernel.pageTable.dropCopies(inode, point, PGOFF_LIMIT - point)
}

/** Context: nothing of the moved range is in the cache. */
function moveDown(kernel: Kernel, inode: number, offset: number, length: number, size: number): Errno {
  const { media } = kernel
  const error = media.moveMedia(inode, offset + length, offset, size - offset - length)
  return error < 0 ? error : media.resizeMedia(inode, size - length)
}

function moveUp(kernel: Kernel, inode: number, offset: number, length: number, size: number): Errno {
  const { media } = kernel
  const resized = media.resizeMedia(inode, size + length)
  if (resized < 0) return resized
  const moved = media.moveMedia(inode, offset, offset + length, size - offset)
  return moved < 0 ? moved : media.punchMedia(inode, offset, length)
}

/** Collapse: only the hole made first may need a record; then nothing lies across the point any more. */
function moveBlocks(kernel: Kernel, inode: number, point: number, pages: number, insert: boolean): Errno {
  const { words, blocks, inodes } = kernel
  const at = inodes.at(inode)
  const root = at + InodeWord.BlockRoot
  mutexLock(words, at + InodeWord.Blocks)
  let error: Errno = insert ? 0 : blocks.free(root, point, pages)
  if (error >= 0) error = insert ? blocks.shift(root, point, pages) : blocks.shift(root, point + pages, -pages)
  mutexUnlock(words, at + InodeWord.Blocks)
  return error
}
