/** Putting storage, or a hole, into a locked entry (dax_insert_entry, dax_load_hole). */
import { assert } from '../assert.js'
import { Page } from '../constants.js'
import { InodeFlag } from '../mm/inode.js'
import {
  type Entry,
  dataEntry,
  isData,
  isEmpty,
  isLocked,
  isPmd,
  isZero,
  lockedEntry,
  orderOf,
  pfnOf,
  zeroEntry,
} from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { lockPages, rootOf, startOf, unlockPages } from './grab-entry.js'
import type { Kernel } from './kernel.js'
import { Trace } from '../trace/tracepoints.js'
import { traceFile } from './trace.js'

/**
 * Make the locked entry stand for the block `pfn` (T6, T9; K50–K54).
 *
 * The order is the contract:
 *   1. a dirty insert marks the inode dirty before the tree (K51): a sync that finds a clean inode may skip the tree
 *   2. a zero entry that gets storage is unmapped everywhere first; the entry is locked, so nothing maps it back
 *   3. the value is replaced only when it was zero or empty: a data entry stays as it is (T9), only its marks change
 *   4. DIRTY is set before the caller makes the page writable (K52): a writable page is always findable by fsync
 *
 * dirty: K50, write and not a synchronous (MAP_SYNC) fault.
 * Context: the caller holds the entry lock; takes i_pages.
 * Return: the entry as it is now, locked.
 */
export function insertEntry(
  kernel: Kernel,
  inode: number,
  index: number,
  entry: Entry,
  pfn: number,
  dirty: boolean,
): Entry {
  assert(isLocked(entry), 'insert into an entry that is not locked', index)
  if (dirty) kernel.inodes.setFlags(inode, InodeFlag.Dirty)
  const start = startOf(index, entry)
  const pages = 1 << orderOf(entry)
  if (isZero(entry)) {
    traceFile(kernel, Trace.UnmapMappingPages, inode, start, pages)
    kernel.pageTable.unmapPages(inode, start, pages)
  }

  const isNew = isZero(entry) || isEmpty(entry)
  assert(isNew || pfnOf(entry) + (index - start) === pfn, 'the block moved under a locked entry', index)
  // A load of a page that is known changes nothing.
  if (!isNew && !dirty) return entry

  const root = rootOf(kernel, inode)
  lockPages(kernel, inode)
  const place = kernel.held.placeIn(kernel.tree, root, start)
  let now = entry
  if (isNew) {
    now = lockedEntry(dataEntry(pfn, isPmd(entry)))
    kernel.pfns.associate(pfn, inode, start, pages)
    kernel.tree.replaceAt(root, start, place, now)
  }
  if (dirty) kernel.tree.setMarkAt(root, start, place, Mark.Dirty)
  unlockPages(kernel, inode)
  return now
}

/**
 * Make the locked entry stand for a hole (T7): a zero entry, clean, no storage.
 * Context: the caller holds the entry lock of an empty or zero entry; takes i_pages.
 * Return: the entry as it is now, locked.
 */
export function insertHole(kernel: Kernel, inode: number, index: number, entry: Entry): Entry {
  assert(isLocked(entry) && !isData(entry), 'a hole over data (K6)', index)
  const now = lockedEntry(zeroEntry(isPmd(entry)))
  if (now === entry) return entry
  const root = rootOf(kernel, inode)
  const start = startOf(index, entry)
  lockPages(kernel, inode)
  kernel.tree.replaceAt(root, start, kernel.held.placeIn(kernel.tree, root, start), now)
  unlockPages(kernel, inode)
  return now
}

/**
 * The store that made the page DIRTY did not happen. Without a page in the cache there is nothing to write back either,
 * and a sync that looked for it there would find, and write, zeroes. A 2 MiB entry may be dirty for its other pages; a
 * sync of one looks only at what the cache holds.
 * Context: entry locked; takes i_pages.
 */
export function forgetDirt(kernel: Kernel, inode: number, pgoff: number, entry: Entry): void {
  if (isPmd(entry) || kernel.media.isCached(inode, pgoff * Page.Size, Page.Size)) return
  lockPages(kernel, inode)
  kernel.tree.clearMark(rootOf(kernel, inode), pgoff, Mark.Dirty)
  kernel.tree.clearMark(rootOf(kernel, inode), pgoff, Mark.ToWrite)
  unlockPages(kernel, inode)
}

/** The entry is leaving the tree: its pages belong to no file any more (K54). Context: i_pages held. */
export function disassociate(kernel: Kernel, entry: Entry): void {
  if (!isData(entry)) return
  kernel.pfns.disassociate(pfnOf(entry), 1 << orderOf(entry))
}
