/**
 * Memory failure (memory_failure_dev_pagemap, mf_generic_kill_procs, dax_lock_page): a page of the device went bad.
 *
 * Whoever learns of it knows a page frame number and nothing else, least of all a lock. From there to the locked entry
 * (S4.3, K95):
 *
 *   pfn → (inode, page)    the reverse map, read without a lock: true at some moment
 *   i_pages                whatever the reverse map says under it stays so: entries come and go under it
 *   look again             the map still says the same, and the entry there is data with this pfn; else from the start
 *   locked?                drop i_pages, wait without a place in the queue (K14), and from the start: the inode may be
 *                          another file's by now (B26)
 *   lock the entry         from here on the page stays in the file and the file in the inode table: truncate, punch
 *                          and the last close wait for the entry (S4.1)
 *
 * i_pages is type-stable: a free record keeps its mutex, so that who comes too late locks nothing but what is there.
 *
 * Then, in this order (K97): mark the page bad; unmap what the entry covers, in every mapping, private copies excepted,
 * since they are other pages; unlock. Marked first, because a fault that waits for the entry looks at the mark when it
 * has it: the page is never mapped again. Entry and marks stay as they are. A bad page in a 2 MiB entry takes the whole
 * mapping of 2 MiB, and the other 511 pages come back by 4 KiB faults.
 *
 * Who touches the page gets SIGBUS, the moment it touches it. The kernel sends SIGBUS to all that have it mapped at
 * once; to a process of many threads that share one handler that would be its end, whoever used the page.
 */
import { BugError } from '../assert.js'
import { Page } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { InodeFlag } from '../mm/inode.js'
import { PageOwner } from '../media/page-owners.js'
import { FailureResult } from '../trace/tracepoints.js'
import { type Entry, NULL_ENTRY, isData, isLocked, orderOf, pfnOf } from '../tree/entry.js'
import { lockEntry, lockPages, rootOf, startOf, unlockEntry, unlockPages, waitEntryUnlocked } from './grab-entry.js'
import type { Kernel } from './kernel.js'
import { noteBadBlocks } from './bad-blocks.js'
import { collectStores } from './collect-stores.js'
import { traceFailure } from './trace.js'

/** A page found by its number, with the entry that maps it locked. Filled by lockPage. */
export class LockedPage {
  inode = 0
  /** Page of the file. */
  pgoff = 0
  /** Locked; it may be a 2 MiB entry that covers `pgoff`. */
  entry: Entry = NULL_ENTRY
}

/**
 * Lock the entry that maps a page frame (dax_lock_page; T14, K95).
 *
 * Context: holds no entry lock; takes i_pages; sleeps while the entry is locked. Never looks at an inode it slept on.
 * Return: true with `page` filled in, to be given to unlockPage; false when no entry maps the page (any more), or the
 * number names no page: -EBUSY to whoever asked.
 */
export function lockPage(kernel: Kernel, pfn: number, page: LockedPage): boolean {
  const owner = new PageOwner()
  while (kernel.pfns.ownerOf(pfn, owner)) {
    const { mapping: inode, pgoff } = owner
    lockPages(kernel, inode)
    if (!kernel.pfns.ownerOf(pfn, owner) || owner.mapping !== inode || owner.pgoff !== pgoff) {
      unlockPages(kernel, inode)
      continue
    }
    const entry = kernel.tree.load(rootOf(kernel, inode), pgoff)
    if (!isPageOf(entry, pgoff, pfn)) throw new BugError('the owner of a page does not map it', { pfn, pgoff, entry })
    if (isLocked(entry)) {
      waitEntryUnlocked(kernel, inode, pgoff, entry)
      continue
    }
    page.inode = inode
    page.pgoff = pgoff
    page.entry = lockEntry(kernel, inode, pgoff, entry)
    unlockPages(kernel, inode)
    return true
  }
  return false
}

/** dax_unlock_page. Context: takes i_pages. The page may leave the file, and the file the table, at once. */
export function unlockPage(kernel: Kernel, page: LockedPage): void {
  unlockEntry(kernel, page.inode, page.pgoff, page.entry)
}

/**
 * Lock the entry of a page of a file, for whoever knows the file (dax_lock_mapping_entry; K96).
 *
 * Context: the caller keeps the inode; holds no entry lock; takes i_pages; sleeps while the entry is locked.
 * Return: the entry, locked, if it is data; NULL_ENTRY when nobody can have the page mapped: no entry, a hole, an empty
 * one. Then nothing is locked and nothing is to be unlocked.
 */
export function lockMappingEntry(kernel: Kernel, inode: number, index: number): Entry {
  for (;;) {
    lockPages(kernel, inode)
    const entry = kernel.tree.load(rootOf(kernel, inode), index)
    if (entry !== NULL_ENTRY && isLocked(entry)) {
      waitEntryUnlocked(kernel, inode, index, entry)
      continue
    }
    const locked = isData(entry) ? lockEntry(kernel, inode, index, entry) : NULL_ENTRY
    unlockPages(kernel, inode)
    return locked
  }
}

/** dax_unlock_mapping_entry: what lockMappingEntry gave, NULL_ENTRY included. Context: takes i_pages. */
export function unlockMappingEntry(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  if (entry !== NULL_ENTRY) unlockEntry(kernel, inode, index, entry)
}

/** The pages a failure took out of page tables; the one that is bad is among them. */
export class FailedRange {
  inode = 0
  /** Of the file. */
  name = ''
  /** First page of the file, and how many: 1, or 512 for a 2 MiB entry. */
  first = 0
  pages = 0
  /** The bad one, by its place in the file. */
  pgoff = 0
}

/**
 * The page `pfn` has an uncorrectable error, as a machine check reports it.
 *
 * range: filled in when it is wanted and the call succeeds.
 * Context: any thread, holding nothing; sleeps while the entry is locked; takes the Sync mutex inside the entry lock.
 * Return: 0; -EBUSY when no entry maps the page: nobody can be reading it, nothing is marked (S4.5); -errno of the host
 * when the bad page could not be noted for the next mount: it is bad all the same.
 */
export function memoryFailure(kernel: Kernel, pfn: number, range = new FailedRange()): Errno {
  const page = new LockedPage()
  if (!lockPage(kernel, pfn, page)) {
    traceFailure(kernel, pfn, 0, FailureResult.Failed)
    return -ErrorNumber.EBUSY
  }
  const { inode, pgoff, entry } = page
  kernel.inodes.setFlags(inode, InodeFlag.BadBlocks)
  kernel.pfns.setPoison(pfn)
  let error = unmapEntry(kernel, inode, pgoff, entry)
  // What was flushed and not fenced is lost with the page.
  kernel.pending.dropRange(inode, pgoff * Page.Size, (pgoff + 1) * Page.Size)
  if (error >= 0) error = noteBadBlocks(kernel, inode)
  range.inode = inode
  range.name = kernel.inodes.nameOf(inode)
  range.first = startOf(pgoff, entry)
  range.pages = 1 << orderOf(entry)
  range.pgoff = pgoff
  traceFailure(kernel, pfn, inode, error < 0 ? FailureResult.Failed : FailureResult.Recovered)
  unlockPage(kernel, page)
  return error
}

/**
 * Take what a locked entry covers out of every mapping, because of page `index`.
 * Context: entry locked. Return: 0 or -errno of the host.
 */
export function unmapEntry(kernel: Kernel, inode: number, index: number, entry: Entry): Errno {
  const error = kernel.pageTable.unmapPages(inode, startOf(index, entry), 1 << orderOf(entry))
  // Unmapped, so no store is still to come; locked, so nobody has asked for the page and found it bad.
  collectStores(kernel, inode, index, index, true)
  return error
}

/** Is this an entry that maps page `pgoff` of its file to `pfn`? */
function isPageOf(entry: Entry, pgoff: number, pfn: number): boolean {
  return isData(entry) && pfnOf(entry) + (pgoff - startOf(pgoff, entry)) === pfn
}
