/**
 * fallocate(2): allocate, keep size, punch, zero range, collapse, insert, with the errors the file systems give.
 *
 * All but plain allocation change what pages of the file mean, so they run as truncate does: i_rwsem, exclusive range,
 * break layouts, write back what is dirty where the kernel does, entries, cache, media, blocks.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { anyKnownBad, forgetPoison, noteBadBlocksLocked } from '../dax/bad-blocks.js'
import { LAST_INDEX, deleteEntries, waitForEntry } from '../dax/invalidate.js'
import { traceFile } from '../dax/trace.js'
import { LOST } from '../dax/flush-bytes.js'
import { dropUnfenced } from '../dax/unfenced-writes.js'
import { saveAcross, saveRange } from '../dax/writeback.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'
import { BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { Trace } from '../trace/tracepoints.js'
import { keepBytes, zeroOnMedia } from './keep-bytes.js'
import { TO_END, breakLayouts, extendFile } from './set-size.js'
import { shiftRange } from './shift-range.js'
import { zeroBytes } from './zero-bytes.js'

/** Mode bits of fallocate(2). */
export const enum Fallocate {
  KeepSize = 0x01,
  PunchHole = 0x02,
  CollapseRange = 0x08,
  ZeroRange = 0x10,
  InsertRange = 0x20,
  Unshare = 0x40,
}

/**
 * mode: Fallocate bits. offset, length: bytes, any alignment (but for collapse and insert).
 * Context: takes i_rwsem and the range lock; may sleep.
 * Return: 0 or -errno: EINVAL, EOPNOTSUPP (mode), ENOSPC (nothing allocated), EFBIG (past the reserve of open).
 */
export function fallocateFile(kernel: Kernel, inode: number, mode: number, offset: number, length: number): Errno {
  const { inodes, words, flavour } = kernel
  if (offset < 0 || length <= 0) return -ErrorNumber.EINVAL
  const invalid = checkMode(mode)
  if (invalid < 0) return invalid
  if (offset + length > inodes.number(inode, InodeWord.Reserve)) return -ErrorNumber.EFBIG
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  writeLock(words, rwsem)
  try {
    const keepSize = (mode & Fallocate.KeepSize) !== 0
    const plain = (mode & ~Fallocate.KeepSize) === 0
    if (plain && !flavour.allocateUnmaps) return allocate(kernel, inode, offset, length, keepSize)
    kernel.locking.beginTruncate(kernel, inode, 0, LAST_INDEX)
    try {
      breakLayouts(kernel, inode)
      const error = plain
        ? allocate(kernel, inode, offset, length, keepSize)
        : change(kernel, inode, mode, offset, length)
      // The file systems set the times when the layout is broken, before they look at the arguments any closer.
      if (error < 0) inodes.touchTimes(inode)
      return error
    } finally {
      kernel.locking.endTruncate(kernel, inode)
    }
  } finally {
    writeUnlock(words, rwsem)
  }
}

/** vfs_fallocate's own checks. */
function checkMode(mode: number): Errno {
  const known =
    Fallocate.KeepSize | Fallocate.PunchHole | Fallocate.CollapseRange | Fallocate.ZeroRange | Fallocate.InsertRange
  if ((mode & ~known) !== 0) return -ErrorNumber.EOPNOTSUPP
  const exclusive = mode & ~Fallocate.KeepSize
  if ((exclusive & (exclusive - 1)) !== 0) return -ErrorNumber.EOPNOTSUPP
  const keepSize = (mode & Fallocate.KeepSize) !== 0
  if (exclusive === Fallocate.PunchHole && !keepSize) return -ErrorNumber.EOPNOTSUPP
  const shifts = exclusive === Fallocate.CollapseRange || exclusive === Fallocate.InsertRange
  return shifts && keepSize ? -ErrorNumber.EOPNOTSUPP : 0
}

/** Context: exclusive range held. */
function change(kernel: Kernel, inode: number, mode: number, offset: number, length: number): Errno {
  const keepSize = (mode & Fallocate.KeepSize) !== 0
  if ((mode & Fallocate.PunchHole) !== 0) return punch(kernel, inode, offset, length)
  if ((mode & Fallocate.ZeroRange) !== 0) return zero(kernel, inode, offset, length, keepSize)
  return shiftRange(kernel, inode, offset, length, (mode & Fallocate.InsertRange) !== 0)
}

/** Blocks for every hole of the range, unwritten. Context: i_rwsem held exclusively. */
function allocate(kernel: Kernel, inode: number, offset: number, length: number, keepSize: boolean): Errno {
  const { inodes, words, blocks } = kernel
  const at = inodes.at(inode)
  const first = Math.floor(offset / Page.Size)
  const end = Math.ceil((offset + length) / Page.Size)
  mutexLock(words, at + InodeWord.Blocks)
  const error = blocks.allocateRange(at + InodeWord.BlockRoot, first, end - first, BlockState.Unwritten)
  mutexUnlock(words, at + InodeWord.Blocks)
  if (error < 0) return error
  inodes.setFlags(inode, InodeFlag.MetadataDirty)
  inodes.touchTimes(inode)
  const before = inodes.sizeOf(inode)
  const grown = offset + length
  if (keepSize || grown <= before) return 0
  traceExtension(kernel, inode, before, grown)
  return extendFile(kernel, inode, grown)
}

/** What an extension by fallocate zeroes: xfs from the old to the new size, ext4 the new tail of the last block. */
function traceExtension(kernel: Kernel, inode: number, before: number, size: number): void {
  if (kernel.flavour.zeroesWhenExtending) {
    traceFile(kernel, Trace.ZeroRange, inode, before, size - before)
    traceFile(kernel, Trace.TruncateInodePages, inode, size, TO_END)
    return
  }
  if (before % Page.Size !== 0) traceFile(kernel, Trace.ZeroRange, inode, before, Page.Size - (before % Page.Size))
  const tail = size % Page.Size
  if (tail !== 0) traceFile(kernel, Trace.ZeroRange, inode, size - tail, tail)
}

function punch(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  const { inodes } = kernel
  const end = Math.min(offset + length, Math.ceil(inodes.sizeOf(inode) / Page.Size) * Page.Size)
  inodes.touchTimes(inode)
  if (offset >= end) return 0
  return clearRange(kernel, inode, offset, end, false)
}

function zero(kernel: Kernel, inode: number, offset: number, length: number, keepSize: boolean): Errno {
  const { inodes } = kernel
  const before = inodes.sizeOf(inode)
  const end = offset + length
  // Blocks before anything else: without space for them the bytes stay as they are.
  const allocated = allocateWhole(kernel, inode, Math.ceil(offset / Page.Size), Math.floor(end / Page.Size))
  if (allocated < 0) return allocated
  const error = clearRange(kernel, inode, offset, end, true)
  if (error < 0) return error
  inodes.touchTimes(inode)
  if (keepSize || end <= before) return 0
  if (before % Page.Size !== 0) traceFile(kernel, Trace.ZeroRange, inode, before, Page.Size - (before % Page.Size))
  return extendFile(kernel, inode, end)
}

/** Unwritten blocks for the holes among pages [first, end). Return: 0, or -ENOSPC with nothing allocated. */
function allocateWhole(kernel: Kernel, inode: number, first: number, end: number): Errno {
  const { inodes, words, blocks } = kernel
  if (first >= end) return 0
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const error = blocks.allocateRange(at + InodeWord.BlockRoot, first, end - first, BlockState.Unwritten)
  mutexUnlock(words, at + InodeWord.Blocks)
  if (error >= 0) inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return error
}

/**
 * Make [offset, end) read zero: whole pages become a hole, or unwritten blocks; the ends of partial pages are zeroed in
 * place (K101: nothing is allocated for that).
 * Context: exclusive range held.
 */
function clearRange(kernel: Kernel, inode: number, offset: number, end: number, keepBlocks: boolean): Errno {
  const firstWhole = Math.ceil(offset / Page.Size)
  const endWhole = Math.floor(end / Page.Size)
  const first = Math.floor(offset / Page.Size)
  const last = Math.ceil(end / Page.Size) - 1
  const error = kernel.flavour.syncsBeforePunch
    ? saveRange(kernel, inode, first, last)
    : firstWhole < endWhole
      ? saveAcross(kernel, inode, firstWhole, endWhole - 1)
      : 0
  if (error < 0 && error !== LOST) return error
  traceFile(kernel, Trace.TruncateInodePages, inode, offset, end - 1)
  if (firstWhole < endWhole) {
    const cleared = clearPages(kernel, inode, firstWhole, endWhole, keepBlocks)
    if (cleared < 0) return cleared
    if (kernel.flavour.zeroesWhenExtending) traceFile(kernel, Trace.ZeroRange, inode, offset, end - offset)
  }
  for (const [from, to] of partialEnds(offset, end)) {
    // K101: a part of a bad page cannot be zeroed; what is whole was.
    if (anyKnownBad(kernel, inode, from, to)) return -ErrorNumber.EIO
    if (!kernel.flavour.zeroesWhenExtending) traceFile(kernel, Trace.ZeroRange, inode, from, to - from)
    const zeroed = zeroBytes(kernel, inode, from, to)
    // A sync that compared the page before it was zeroed may still be writing it: media is zeroed after it.
    waitForEntry(kernel, inode, Math.floor(from / Page.Size))
    const gone = zeroed >= 0 ? zeroOnMedia(kernel, inode, from, to) : zeroed
    if (gone < 0) {
      keepBytes(kernel, inode, from, to)
      return gone
    }
  }
  return 0
}

/** The parts of [offset, end) in pages that are not covered whole: none, one (inside a page, or at an end) or two. */
function partialEnds(offset: number, end: number): [number, number][] {
  const head = offset % Page.Size
  const tail = end % Page.Size
  if (Math.floor(offset / Page.Size) === Math.floor(end / Page.Size)) return head === tail ? [] : [[offset, end]]
  const parts: [number, number][] = []
  if (head !== 0) parts.push([offset, offset - head + Page.Size])
  if (tail !== 0) parts.push([end - tail, end])
  return parts
}

/** Whole pages. Context: exclusive range held. */
function clearPages(kernel: Kernel, inode: number, first: number, end: number, keepBlocks: boolean): Errno {
  const { media, words, blocks, inodes } = kernel
  const at = inodes.at(inode)
  const from = first * Page.Size
  const to = end * Page.Size
  deleteEntries(kernel, inode, first, end - 1)
  mutexLock(words, at + InodeWord.Sync)
  let error = dropUnfenced(kernel, inode, from, to)
  if (error >= 0) error = kernel.pending.dropRangeWith(inode, from, to, () => media.punchMedia(inode, from, to - from))
  // Nothing is taken from the cache before media has let go of it: what fails here leaves the bytes as they were.
  if (error < 0) keepBytes(kernel, inode, from, to)
  else error = media.dropCache(inode, from, to - from)
  if (error >= 0 && !keepBlocks) error = media.uncommitBlocks(inode, first, end)
  if (error >= 0) {
    mutexLock(words, at + InodeWord.Blocks)
    const root = at + InodeWord.BlockRoot
    error = keepBlocks
      ? blocks.unwrite(root, first, end - first)
      : blocks.free(root, first, Math.min(end, PGOFF_LIMIT) - first)
    if (error >= 0 && keepBlocks) forgetPoison(kernel, inode, first, end)
    mutexUnlock(words, at + InodeWord.Blocks)
    inodes.setFlags(inode, InodeFlag.MetadataDirty)
  }
  if (error >= 0) error = noteBadBlocksLocked(kernel, inode)
  mutexUnlock(words, at + InodeWord.Sync)
  return error
}
