/** What faults ask the file system: iomap_begin for one page, or for 2 MiB. */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { Kernel } from './kernel.js'

/** ext4 converts unwritten extents of up to this many pages whole (EXT4_EXT_ZERO_LEN, 32 KiB). */
const SMALL_EXTENT_PAGES = 8

/** Context: entry locked; takes ilock. Return: pfn of a written block, 0 for a hole or an unwritten one. */
export function lookupBlock(kernel: Kernel, inode: number, pgoff: number): number {
  const { blocks, blockCursor } = kernel
  const at = kernel.inodes.at(inode)
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const state = blocks.lookup(at + InodeWord.BlockRoot, pgoff, blockCursor)
  const pfn = state === BlockState.Written ? blockCursor.pfn : 0
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return pfn
}

/**
 * Make the page a written block: allocate in a hole, convert an unwritten one, leave a written one alone. The state it
 * was in is in kernel.blockCursor.
 * exact: convert just this page, as write(2) does at its end, and not a small extent as a whole.
 * Context: entry locked, or i_rwsem held exclusively; takes ilock.
 * Return: its pfn, or -errno.
 */
export function allocateBlock(kernel: Kernel, inode: number, pgoff: number, exact = false): number {
  const { blocks, blockCursor } = kernel
  const at = kernel.inodes.at(inode)
  const root = at + InodeWord.BlockRoot
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const state = blocks.lookup(root, pgoff, blockCursor)
  let pfn = blockCursor.pfn
  if (state === BlockState.Hole) pfn = blocks.allocate(root, pgoff, BlockState.Written)
  else if (state === BlockState.Unwritten)
    pfn = (exact ? blocks.convert(root, pgoff, 1) : convert(kernel, root, pgoff, 1)) || pfn
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  if (pfn > 0 && state !== BlockState.Written) kernel.inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return pfn
}

/** What a 2 MiB fault found. Reused: valid until the next look-up of this thread. */
export class HugeExtent {
  /** Pages in one state from the start of the 2 MiB on, at most 512. */
  pages = 0
  state: BlockState = BlockState.Hole
  /** Of the first page; 0 in a hole. */
  pfn = 0
  /** Blocks were allocated or converted by the look-up. */
  isNew = false
}

/**
 * iomap_begin over the 2 MiB at `start`. For a store it allocates or converts what it finds at the start, as much of
 * the 2 MiB as is in one state: when that is not all of it the fault falls back, and the blocks stay (FACTS 21, 26).
 *
 * Context: entry locked; takes ilock. Return: 0 with `found` filled in, or -errno.
 */
export function findHugeExtent(kernel: Kernel, inode: number, start: number, write: boolean, found: HugeExtent): Errno {
  const { blocks, blockCursor } = kernel
  const at = kernel.inodes.at(inode)
  const root = at + InodeWord.BlockRoot
  mutexLock(kernel.words, at + InodeWord.Blocks)
  found.state = blocks.lookup(root, start, blockCursor)
  found.pages = Math.min(Page.PmdPages, blockCursor.pages)
  found.isNew = false
  let error: Errno = 0
  if (write && found.state !== BlockState.Written) {
    error =
      found.state === BlockState.Unwritten
        ? blocks.convert(root, start, found.pages)
        : allocateHole(kernel, root, start, found.pages)
    if (error >= 0) {
      found.state = blocks.lookup(root, start, blockCursor)
      found.pages = Math.min(Page.PmdPages, blockCursor.pages)
      found.isNew = true
    }
  }
  found.pfn = blockCursor.pfn
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  if (found.isNew) kernel.inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return error
}

/** As many blocks as there are, from the start of the hole on. Context: ilock held. Return: 0 or -ENOSPC. */
function allocateHole(kernel: Kernel, root: number, start: number, pages: number): Errno {
  const { blocks } = kernel
  if (pages === Page.PmdPages && blocks.allocateHuge(root, start, BlockState.Written) > 0) return 0
  const room = Math.min(pages, kernel.pfns.freePages)
  if (room === 0) return blocks.allocate(root, start, BlockState.Written)
  return blocks.allocateRange(root, start, room, BlockState.Written)
}

/** Unwritten to written; a small extent as a whole where the file system does so. Context: ilock held. */
function convert(kernel: Kernel, root: number, pgoff: number, count: number): Errno {
  const { blocks } = kernel
  if (!kernel.flavour.convertsWholeExtent) return blocks.convert(root, pgoff, count)
  const extent = blocks.extentAt(root, pgoff)
  if (extent.pages > SMALL_EXTENT_PAGES) return blocks.convert(root, pgoff, count)
  return blocks.convert(root, extent.first, extent.pages)
}
