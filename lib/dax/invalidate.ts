/** Removing entries: pages leave the file (delete), or a hole's entry must go because a block came (invalidate). */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { Wake } from '../sync/wait-table.js'
import { Cursor } from '../tree/cursor.js'
import { type Entry, NULL_ENTRY, isData, isLocked, orderOf } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { hasAsyncMappings } from './collect-stores.js'
import {
  getUnlockedEntry,
  lockPages,
  putUnlockedEntry,
  releaseEntryLock,
  rootOf,
  startOf,
  unlockPages,
  wakeEntry,
} from './grab-entry.js'
import { disassociate } from './insert-entry.js'
import type { Kernel } from './kernel.js'
import { Trace } from '../trace/tracepoints.js'
import { traceFile } from './trace.js'

/** Last index a file can have. */
export const LAST_INDEX = PGOFF_LIMIT - 1

/**
 * Delete every entry that overlaps pages [first, last], whatever its marks (dax_delete_mapping_entry; T12, K80): the
 * pages are leaving the file, so what was dirty about them does not matter any more. Waits for locked ones.
 *
 * Context: the range is held exclusively, so no new entry appears behind the scan (S0.9); takes i_pages; may sleep.
 * Return: how many were removed.
 */
export function deleteEntries(kernel: Kernel, inode: number, first: number, last: number): number {
  // In the kernel's order: entries that lie in the range, then one that only reaches into it from the left.
  const start = startOfEntryAt(kernel, inode, first)
  const from = start < first ? start + Page.PmdPages : first
  let removed = from <= last ? removeEntries(kernel, inode, from, last, false) : 0
  if (start < first) removed += removeEntries(kernel, inode, first, Math.min(last, from - 1), false)
  return removed
}

/**
 * Remove the clean entries that overlap pages [first, last] and unmap the range once (invalidate_inode_pages2_range;
 * T13, K81). Entries that are DIRTY or TOWRITE, or may be without anybody knowing (collect-stores.ts), stay: the same
 * page may hold stores no sync has written yet (K106, B9).
 * Entries go before mappings: the other way round a fault could map the old page again in between.
 *
 * Context: i_rwsem held exclusively; takes i_pages; may sleep.
 * Return: true when nothing stayed.
 */
export function invalidateRange(kernel: Kernel, inode: number, first: number, last: number): boolean {
  traceFile(kernel, Trace.InvalidateInodePages2, inode, first, last)
  if (kernel.tree.isEmpty(rootOf(kernel, inode))) return true
  const before = countEntries(kernel, inode, first, last)
  const removed = removeEntries(kernel, inode, first, last, true)
  traceFile(kernel, Trace.UnmapMappingPages, inode, first, last - first + 1)
  kernel.pageTable.unmapPages(inode, first, last - first + 1)
  return removed >= before
}

/**
 * Remove the entry of one page that the caller made only to hold its lock, and let everyone who waited look again.
 * Context: caller holds the entry lock; takes i_pages.
 */
export function removeLockedEntry(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  lockPages(kernel, inode)
  kernel.tree.store(rootOf(kernel, inode), startOf(index, entry), orderOf(entry), NULL_ENTRY)
  releaseEntryLock(kernel)
  wakeEntry(kernel, inode, index, entry, Wake.All)
  unlockPages(kernel, inode)
}

/**
 * Wait until nobody works on the entry of a page, if it has one.
 * Context: takes i_pages; may sleep.
 */
export function waitForEntry(kernel: Kernel, inode: number, index: number): void {
  lockPages(kernel, inode)
  const entry = getUnlockedEntry(kernel, inode, index)
  putUnlockedEntry(kernel, inode, index, entry)
  unlockPages(kernel, inode)
}

function removeEntries(kernel: Kernel, inode: number, first: number, last: number, cleanOnly: boolean): number {
  const root = rootOf(kernel, inode)
  const cursor = new Cursor()
  // Nobody may know yet that it is dirty.
  const keepsData = cleanOnly && hasAsyncMappings(kernel, inode)
  let removed = 0
  lockPages(kernel, inode)
  for (let from = first; from <= last && kernel.tree.next(root, from, last, cursor);) {
    const { index, order } = cursor
    if (isLocked(cursor.entry)) {
      // Wait for this very entry, then look at the same index again: what is there now decides (B33, B34).
      putUnlockedEntry(kernel, inode, index, getUnlockedEntry(kernel, inode, index))
      from = Math.max(first, index)
      continue
    }
    from = index + (1 << order)
    const event = cleanOnly ? Trace.InvalidateMappingEntry : Trace.DeleteMappingEntry
    traceFile(kernel, event, inode, Math.max(first, index))
    const { entry } = cursor
    if (cleanOnly && (isDirty(kernel, root, index) || (keepsData && isData(entry)))) continue
    kernel.tree.store(root, index, order, NULL_ENTRY)
    disassociate(kernel, entry)
    // Everyone: the woken find nothing and pass nothing on (K15, B24).
    wakeEntry(kernel, inode, index, entry, Wake.All)
    removed++
  }
  unlockPages(kernel, inode)
  return removed
}

function isDirty(kernel: Kernel, root: number, index: number): boolean {
  return kernel.tree.getMark(root, index, Mark.Dirty) || kernel.tree.getMark(root, index, Mark.ToWrite)
}

function countEntries(kernel: Kernel, inode: number, first: number, last: number): number {
  const cursor = new Cursor()
  let count = 0
  lockPages(kernel, inode)
  for (let from = first; from <= last && kernel.tree.next(rootOf(kernel, inode), from, last, cursor); count++) {
    from = cursor.after()
  }
  unlockPages(kernel, inode)
  return count
}

/** First index of the entry that covers `index`; `index` itself when there is none. */
function startOfEntryAt(kernel: Kernel, inode: number, index: number): number {
  lockPages(kernel, inode)
  const entry = kernel.tree.load(rootOf(kernel, inode), index)
  unlockPages(kernel, inode)
  return entry === NULL_ENTRY ? index : startOf(index, entry)
}
