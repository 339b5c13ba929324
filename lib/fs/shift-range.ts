/**
 * Collapse and insert range: the blocks behind a point move to other pages of the file.
 *
 * Media follows by moving bytes: data stays at its file offset on the host, so what is behind the point is copied there
 * too (the host's own collapse is not on every file system). First everything dirty is written back, so that media is
 * the whole truth; then entries and cache behind the point go, and every page is filled from media at its new place.
 * When media fails on the way, what was done is undone.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { noteBadBlocksLocked } from '../dax/bad-blocks.js'
import { LAST_INDEX, deleteEntries } from '../dax/invalidate.js'
import { traceFile } from '../dax/trace.js'
import { LOST } from '../dax/flush-bytes.js'
import { drainUnfencedLocked } from '../dax/unfenced-writes.js'
import { saveRange } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { assert } from '../assert.js'
import type { Kernel } from '../dax/kernel.js'
import { InodeFlag, type InodeTable, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Trace } from '../trace/tracepoints.js'
import { cutMedia, settleMediaSize } from './media-size.js'
import { TO_END } from './set-size.js'

/**
 * insert: make room; else collapse.
 * Context: exclusive range of the whole file and i_rwsem held.
 * Return: 0; -EINVAL (not whole pages, collapse that reaches EOF, insert at or past it), -EFBIG, -ENOSPC (extents),
 * EIO: everything is where it was, or, when media is too long now, where it should be. What a collapse would have
 * removed may be lost all the same.
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
  let error = settleMediaSize(kernel, inode)
  if (error >= 0) error = writebackAround(kernel, inode, point, pages, insert)
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
  if (error >= 0) error = insert ? makeRoom(kernel, inode, point, pages) : closeGap(kernel, inode, point, pages)
  // The size tells whether it was done: a cut of media that is owed is an error too.
  const isMoved = inodes.sizeOf(inode) === newSize
  if (isMoved) {
    const noted = noteBadBlocksLocked(kernel, inode)
    if (error >= 0) error = noted
  }
  mutexUnlock(kernel.words, sync)
  inodes.setFlags(inode, InodeFlag.MetadataDirty)
  if (!isMoved) return error
  const resized = media.resizeCache(inode, newSize)
  inodes.touchTimes(inode)
  return error < 0 ? error : resized
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

/**
 * Collapse. Context: Sync mutex held; nothing of the moved range is in the cache.
 * Return: 0, with the new size; -errno with everything as it was, but for what would have been removed when there is no
 * extent record; or, with the new size, of media that is too long now.
 */
function closeGap(kernel: Kernel, inode: number, point: number, pages: number): Errno {
  const { media, inodes } = kernel
  const size = inodes.sizeOf(inode)
  const [offset, length] = [point * Page.Size, pages * Page.Size]
  const behind = size - offset - length
  const moved = media.moveMedia(inode, offset + length, offset, behind)
  if (moved < 0) return moved
  const freed = withBlocks(kernel, inode, (root) => kernel.blocks.free(root, point, pages))
  if (freed < 0) {
    putBack(inodes, inode, media.moveMedia(inode, offset, offset + length, behind))
    return freed
  }
  const shifted = withBlocks(kernel, inode, (root) => kernel.blocks.shift(root, point + pages, -pages))
  assert(shifted >= 0, 'nothing lies across a gap, so closing it takes no record', { inode, point, pages })
  inodes.setSize(inode, size - length)
  return cutMedia(kernel, inode)
}

/** Insert. Context: as closeGap. Return: 0, with the new size; -errno with everything as it was. */
function makeRoom(kernel: Kernel, inode: number, point: number, pages: number): Errno {
  const { media, inodes } = kernel
  const size = inodes.sizeOf(inode)
  const [offset, length] = [point * Page.Size, pages * Page.Size]
  let error = media.resizeMedia(inode, size + length)
  if (error < 0) return error
  error = media.moveMedia(inode, offset, offset + length, size - offset)
  if (error >= 0) {
    error = withBlocks(kernel, inode, (root) => kernel.blocks.shift(root, point, pages))
    if (error < 0) putBack(inodes, inode, media.moveMedia(inode, offset + length, offset, size - offset))
  }
  if (error < 0) cutMedia(kernel, inode)
  else inodes.setSize(inode, size + length)
  return error
}

/** Bytes that syncs have acknowledged may not be where they belong any more: each open is told by its next sync. */
function putBack(inodes: InodeTable, inode: number, moved: Errno): void {
  if (moved < 0) inodes.recordError(inode, -moved)
}

/** Context: takes ilock. */
function withBlocks(kernel: Kernel, inode: number, work: (root: number) => Errno): Errno {
  const at = kernel.inodes.at(inode)
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = work(at + InodeWord.BlockRoot)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}
