/**
 * First stores that no fault told of (mount option dirtyTracking: 'async').
 *
 * Memory of an asynchronous mapping is write-protected like any other, but a store to a protected page only makes the
 * host lift the protection: there is no pfn_mkwrite, and nobody sets DIRTY. What the page tables know is brought into
 * the tree by whoever is about to rely on DIRTY: syncs, flushes of lines, munmap, memory failure, crash, verify.
 *
 *   Invariant    what was stored and is not on media is on a page whose entry is DIRTY, or whose place in the page
 *                table of some asynchronous mapping is not write-protected
 *
 * The second half is true of pages that are absent too: a mapping starts with all its pages protected, by markers in
 * its page tables; a page that was protected when it was dropped leaves one again, one that was stored to leaves
 * nothing. Hence these rules, each of which keeps the invariant for one change:
 *
 *   tag          the look changes nothing in the page tables. The protection comes back in writeback, when the entry is
 *                locked and its bytes are written right after. To look and protect in one step (PM_SCAN_WP_MATCHING)
 *                would leave a moment in which neither place knows, and a second sync would return in it
 *   twice        DIRTY and TOWRITE are set: a writeback that has passed the store already, and has the entry locked,
 *                sees the new TOWRITE and leaves DIRTY (writeback.ts). A page with DIRTY set long ago gets TOWRITE too
 *   load         a load maps a page protected. If the entry was there before and the page table has no marker, the page
 *                becomes DIRTY first: mayHaveStores
 *   holes        a page that is present has a block. A load of a hole, or of an unwritten block, is served as a store
 *                is: a zero page could be stored to without anybody knowing
 *   entries      a clean data entry is not removed while the file has asynchronous mappings (invalidateRange)
 *   munmap       the mapping is made read-only, looked at, and unmapped then: a store in between is a SIGSEGV, as it is
 *                a moment later. Until it is tagged it stays in the list of mappings
 *
 * Too much is found now and then: a page that answers with SIGBUS has no marker. Clean lines are compared and not
 * written; pages not in the cache, and bad ones, are passed over.
 */
import { Page } from '../constants.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { Cursor } from '../tree/cursor.js'
import { isData, isPmd, pfnOf } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import type { Fault } from './fault-context.js'
import { mayHaveBadBlocks } from './bad-blocks.js'
import { lockPages, rootOf, unlockPages } from './grab-entry.js'
import type { Kernel } from './kernel.js'

/** Does the file have a mapping that is tracked asynchronously? */
export function hasAsyncMappings(kernel: Kernel, inode: number): boolean {
  return kernel.words.load(kernel.inodes.at(inode) + InodeWord.AsyncMaps) !== 0
}

/**
 * Tag the entries over pages [first, last] that were stored to through asynchronous mappings: each store that was made
 * before this call is on a page that is DIRTY and TOWRITE after it, or on media.
 *
 * bad: pages known to be bad too: their failure has only just been noted.
 * Context: outside i_pages; an entry lock may be held. Takes Mmap, then i_pages. Never sleeps on an entry.
 */
export function collectStores(kernel: Kernel, inode: number, first: number, last: number, bad = false): void {
  if (!hasAsyncMappings(kernel, inode)) return
  let found = 0
  kernel.pageTable.collectWritten(inode, first, last, (from, pages) => {
    found += tagWritten(kernel, inode, from, from + pages - 1, bad)
  })
  if (found === 0) return
  kernel.inodes.setFlags(inode, InodeFlag.Dirty)
  kernel.inodes.touchTimes(inode)
}

/**
 * A load is about to map pages of a data entry that was there before it: may they have been stored to?
 * Context: entry locked, so nobody else maps them.
 */
export function mayHaveStores(kernel: Kernel, { vma }: Fault, first: number, pages: number): boolean {
  return kernel.vmas.isAsync(vma) && !kernel.pageTable.isKnownClean(vma, first, pages)
}

/** Make a locked data entry DIRTY. Context: takes i_pages. */
export function noteStores(kernel: Kernel, inode: number, index: number): void {
  kernel.inodes.setFlags(inode, InodeFlag.Dirty)
  lockPages(kernel, inode)
  kernel.tree.setMark(rootOf(kernel, inode), index, Mark.Dirty)
  unlockPages(kernel, inode)
}

/**
 * Under i_pages an entry that is there has not been deleted, so what is in the cache of it stays there (set-size.ts
 * deletes first and cuts the cache then). What is not in the cache was never stored to, and must not be written.
 * Return: entries that were clean.
 */
function tagWritten(kernel: Kernel, inode: number, first: number, last: number, bad: boolean): number {
  const { tree } = kernel
  const root = rootOf(kernel, inode)
  const skipsBad = !bad && mayHaveBadBlocks(kernel, inode)
  const cursor = new Cursor()
  let found = 0
  lockPages(kernel, inode)
  for (let from = first; from <= last && tree.next(root, from, last, cursor); from = cursor.after()) {
    const { index, entry } = cursor
    if (!isData(entry) || tree.getMark(root, index, Mark.ToWrite)) continue
    if (!tree.getMark(root, index, Mark.Dirty)) {
      const firstPage = Math.max(index, first)
      const pages = Math.min(cursor.after() - 1, last) - firstPage + 1
      if (skipsBad && isAllBad(kernel, pfnOf(entry) + (firstPage - index), pages)) continue
      // Of a 2 MiB entry a sync looks only at what the cache has.
      if (!isPmd(entry) && !kernel.media.isCached(inode, index * Page.Size, Page.Size)) continue
      tree.setMark(root, index, Mark.Dirty)
      found++
    }
    tree.setMark(root, index, Mark.ToWrite)
  }
  unlockPages(kernel, inode)
  return found
}

function isAllBad(kernel: Kernel, pfn: number, pages: number): boolean {
  for (let i = 0; i < pages; i++) if (!kernel.pfns.isKnownBad(pfn + i)) return false
  return true
}
