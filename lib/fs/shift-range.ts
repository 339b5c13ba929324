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
import { LOST, drainUnfencedLocked, saveRange } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { assert } from '../assert.js'
import type { Kernel } from '../dax/kernel.js'
import { type BlockRun, BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
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
 * Collapse. Blocks of the removed pages first: for that there may be no extent record, and then nothing has changed.
 * Context: Sync mutex held; nothing of the moved range is in the cache.
 * Return: 0, with the new size; -errno with everything as it was, or, with the new size, of media that is too long now.
 */
function closeGap(kernel: Kernel, inode: number, point: number, pages: number): Errno {
  const { media, inodes } = kernel
  const size = inodes.sizeOf(inode)
  const [offset, length] = [point * Page.Size, pages * Page.Size]
  const removed = blocksIn(kernel, inode, point, pages)
  const freed = withBlocks(kernel, inode, (root) => kernel.blocks.free(root, point, pages))
  if (freed < 0) return freed
  const moved = media.moveMedia(inode, offset + length, offset, size - offset - length)
  if (moved < 0) {
    giveBack(kernel, inode, removed)
    return moved
  }
  const shifted = withBlocks(kernel, inode, (root) => kernel.blocks.shift(root, point + pages, -pages))
  assert(shifted >= 0, 'nothing lies across a gap, so closing it takes no record', { inode, point, pages })
  inodes.setSize(inode, size - length)
  return cutMedia(kernel, inode)
}

/**
 * Insert. What fails is taken back in the reverse order.
 * Context: as closeGap. Return: 0, with the new size; -errno with everything as it was.
 */
function makeRoom(kernel: Kernel, inode: number, point: number, pages: number): Errno {
  const { media, inodes } = kernel
  const size = inodes.sizeOf(inode)
  const [offset, length] = [point * Page.Size, pages * Page.Size]
  let error = media.resizeMedia(inode, size + length)
  if (error < 0) return error
  error = withBlocks(kernel, inode, (root) => kernel.blocks.shift(root, point, pages))
  if (error >= 0) {
    error = media.moveMedia(inode, offset, offset + length, size - offset)
    if (error >= 0) {
      error = media.punchMedia(inode, offset, length)
      const back = error < 0 ? media.moveMedia(inode, offset + length, offset, size - offset) : 0
      // Bytes that syncs have acknowledged are not where they belong any more.
      if (back < 0) inodes.recordError(inode, -back)
    }
    if (error < 0) withBlocks(kernel, inode, (root) => kernel.blocks.shift(root, point + pages, -pages))
  }
  if (error < 0) cutMedia(kernel, inode)
  else inodes.setSize(inode, size + length)
  return error
}

/** Context: takes ilock. */
function withBlocks(kernel: Kernel, inode: number, work: (root: number) => Errno): Errno {
  const at = kernel.inodes.at(inode)
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = work(at + InodeWord.BlockRoot)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}

/** The extents of a range, cut to it. */
function blocksIn(kernel: Kernel, inode: number, point: number, pages: number): BlockRun[] {
  const runs: BlockRun[] = []
  withBlocks(kernel, inode, (root) => {
    for (const run of kernel.blocks.runs(root)) {
      const first = Math.max(run.first, point)
      const end = Math.min(run.first + run.pages, point + pages)
      if (first < end) runs.push({ ...run, first, pages: end - first })
    }
    return 0
  })
  return runs
}

/** Blocks that were taken from the file and are to be there again. Others may have got the space meanwhile. */
function giveBack(kernel: Kernel, inode: number, runs: readonly BlockRun[]): void {
  for (const { first, pages, state } of runs) {
    if (state === BlockState.Hole) continue
    const error = withBlocks(kernel, inode, (root) => kernel.blocks.allocateRange(root, first, pages, state))
    if (error < 0) kernel.inodes.recordError(inode, -error)
  }
}
