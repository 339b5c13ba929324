/**
 * The page fault (dax_iomap_pte_fault), 4 KiB.
 *
 * One function serves all; what a fault turns out to be is decided by three questions, asked in this order with the
 * entry locked: is it a store to a private mapping, does the file have a block there, is it a store.
 *
 *                        hole / unwritten                block
 *   load                 zero page, read-only (T7)       the page, read-only, clean (K52)
 *   store, shared        allocate, unmap zero pages,     the page, writable, DIRTY
 *                        map writable, DIRTY (T6)        (present and protected: pfn_mkwrite, K60)
 *   store, private       anonymous copy (of zeroes)      anonymous copy: no change of the entry (1.5 step 7a)
 *
 * Order: range lock → entry lock → block map (ilock) → tree (i_pages) → page table → unlock → range unlock. The page
 * table is changed before the entry is unlocked (D4).
 */
import { Page } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { PageSource } from '../mm/page-table.js'
import { VmaFlag } from '../mm/vma.js'
import { Counter, FaultKind } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { type Entry, errnoOf, isData, isErrorEntry } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { grabEntry, lockPages, rootOf, unlockEntry, unlockPages } from './grab-entry.js'
import { insertEntry, insertHole } from './insert-entry.js'
import type { Kernel } from './kernel.js'

/** How the page was accessed and found; the addon's fault bits. */
export const enum Access {
  Write = 1,
  /** Present in this page table, write-protected. */
  Protected = 2,
  /** In the cache, not in this page table. */
  Cached = 4,
}

/** In place of a FaultKind: the fault would have had to sleep; nothing was done. */
export const WOULD_BLOCK = -1

/**
 * Serve one fault on page `pgoff` of a mapping the caller is a user of.
 *
 * access: Access bits.
 * Context: any thread but the faulting one; holds no lock; sleeps only when `maySleep`. Never touches a user mapping.
 * Return: the FaultKind it was, or WOULD_BLOCK.
 */
export function serveFault(kernel: Kernel, vma: number, pgoff: number, access: number, maySleep: boolean): number {
  const inode = kernel.vmas.inodeOf(vma)
  if (!kernel.locking.beginFault(kernel, inode, pgoff, pgoff, maySleep)) return WOULD_BLOCK
  const kind = faultInRange(kernel, vma, inode, pgoff, access, maySleep)
  kernel.locking.endFault(kernel, inode)
  return kind
}

function faultInRange(
  kernel: Kernel,
  vma: number,
  inode: number,
  pgoff: number,
  access: number,
  maySleep: boolean,
): number {
  // Beyond EOF the cache has no page either: the retried access gets its SIGBUS from the host kernel.
  if (pgoff >= kernel.inodes.pagesOf(inode)) return retry(kernel, vma, pgoff)
  const entry = grabEntry(kernel, inode, pgoff, maySleep)
  if (isErrorEntry(entry)) {
    return errnoOf(entry) === ErrorNumber.EAGAIN ? WOULD_BLOCK : fail(kernel, vma, pgoff)
  }
  const write = (access & Access.Write) !== 0
  const shared = (kernel.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
  if (write && !shared) return copyFault(kernel, vma, inode, pgoff, entry)
  return write
    ? writeFault(kernel, vma, inode, pgoff, entry, access)
    : readFault(kernel, vma, inode, pgoff, entry, access)
}

/** Context: entry locked; unlocks it. */
function readFault(kernel: Kernel, vma: number, inode: number, pgoff: number, entry: Entry, access: number): number {
  const pfn = lookupBlock(kernel, inode, pgoff)
  let now = entry
  let error: Errno
  if (pfn === 0) {
    now = insertHole(kernel, inode, pgoff, entry)
    error = kernel.pageTable.mapPage(vma, pgoff, PageSource.Zero, inCache(access), false)
  } else {
    error = kernel.pfns.isPoisoned(pfn) ? -ErrorNumber.EHWPOISON : 0
    if (error === 0) {
      now = insertEntry(kernel, inode, pgoff, entry, pfn, false)
      error = kernel.pageTable.mapPage(vma, pgoff, PageSource.Media, inCache(access), false)
    }
  }
  if (error < 0) return failLocked(kernel, vma, inode, pgoff, now)
  unlockEntry(kernel, inode, pgoff, now)
  kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
  if ((access & Access.Cached) !== 0) return FaultKind.MinorRead
  return pfn === 0 ? FaultKind.HoleRead : FaultKind.DataRead
}

/** Context: entry locked; unlocks it. */
function writeFault(kernel: Kernel, vma: number, inode: number, pgoff: number, entry: Entry, access: number): number {
  const pfn = allocateBlock(kernel, inode, pgoff)
  // What it found there: with the entry locked nobody else changes that.
  const isNew = kernel.blockCursor.state !== BlockState.Written
  if (pfn < 0 || kernel.pfns.isPoisoned(pfn)) return failLocked(kernel, vma, inode, pgoff, entry)

  // A present page whose entry is data keeps its place in the page table; any other was or will be unmapped.
  const upgrade = isData(entry) && (access & Access.Protected) !== 0
  const now = insertEntry(kernel, inode, pgoff, entry, pfn, true)
  // A new block holds nothing but zeroes, whatever media has there (S0.10).
  const source = isNew ? PageSource.Zero : PageSource.Media
  const error = upgrade
    ? kernel.pageTable.makeWritable(vma, pgoff)
    : kernel.pageTable.mapPage(vma, pgoff, source, inCache(access), true)
  if (error < 0) {
    forgetDirt(kernel, inode, pgoff)
    return failLocked(kernel, vma, inode, pgoff, now)
  }
  unlockEntry(kernel, inode, pgoff, now)

  kernel.threads.count(kernel.self, isNew ? Counter.MajorFaults : Counter.MinorFaults, 1)
  if (isNew) return FaultKind.HoleWrite
  if (upgrade) return FaultKind.Mkwrite
  return (access & Access.Cached) !== 0 ? FaultKind.MinorWrite : FaultKind.DataWrite
}

/**
 * Store to a private mapping. The entry stays locked until the copy is in the page table (S0.6): after a truncate no
 * copy of a freed block can appear.
 * Context: entry locked; unlocks it.
 */
function copyFault(kernel: Kernel, vma: number, inode: number, pgoff: number, entry: Entry): number {
  const pfn = lookupBlock(kernel, inode, pgoff)
  if (pfn !== 0 && kernel.pfns.isPoisoned(pfn)) return failLocked(kernel, vma, inode, pgoff, entry)
  const source = pfn === 0 ? PageSource.Zero : PageSource.Media
  const error = kernel.pageTable.mapPrivateCopy(vma, pgoff, source)
  if (error < 0) return failLocked(kernel, vma, inode, pgoff, entry)
  unlockEntry(kernel, inode, pgoff, entry)
  kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
  return FaultKind.PrivateCopy
}

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
 * Context: entry locked, or i_rwsem held exclusively; takes ilock.
 * Return: its pfn, or -errno.
 */
export function allocateBlock(kernel: Kernel, inode: number, pgoff: number): number {
  const { blocks, blockCursor } = kernel
  const at = kernel.inodes.at(inode)
  const root = at + InodeWord.BlockRoot
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const state = blocks.lookup(root, pgoff, blockCursor)
  let pfn = blockCursor.pfn
  if (state === BlockState.Hole) pfn = blocks.allocate(root, pgoff, BlockState.Written)
  else if (state === BlockState.Unwritten) pfn = blocks.convert(root, pgoff, 1) || pfn
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  if (pfn > 0 && state !== BlockState.Written) kernel.inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return pfn
}

/**
 * The store that made the page DIRTY did not happen. Without a page in the cache there is nothing to write back, and a
 * sync that looked for it there would find, and write, zeroes.
 * Context: entry locked; takes i_pages.
 */
function forgetDirt(kernel: Kernel, inode: number, pgoff: number): void {
  if (kernel.media.isCached(inode, pgoff * Page.Size, Page.Size)) return
  lockPages(kernel, inode)
  kernel.tree.clearMark(rootOf(kernel, inode), pgoff, Mark.Dirty)
  kernel.tree.clearMark(rootOf(kernel, inode), pgoff, Mark.ToWrite)
  unlockPages(kernel, inode)
}

function inCache(access: number): boolean {
  return (access & (Access.Cached | Access.Protected)) !== 0
}

function failLocked(kernel: Kernel, vma: number, inode: number, pgoff: number, entry: Entry): number {
  const kind = fail(kernel, vma, pgoff)
  unlockEntry(kernel, inode, pgoff, entry)
  return kind
}

function fail(kernel: Kernel, vma: number, pgoff: number): number {
  kernel.pageTable.failPage(vma, pgoff)
  return FaultKind.Failed
}

function retry(kernel: Kernel, vma: number, pgoff: number): number {
  kernel.pageTable.retryPage(vma, pgoff)
  return FaultKind.Stale
}
