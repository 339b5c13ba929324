/**
 * MAP_SYNC (K60–K64): a store is possible only when the block mapping is durable.
 *
 * A write fault that had to change metadata, or finds it changed and not committed, inserts its entry clean, does not
 * touch the page table, and unlocks. Then the metadata is committed, host file system included, and only then is the
 * page marked DIRTY and mapped writable, if the entry is still what it was.
 */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { InodeFlag } from '../mm/inode.js'
import type { PageSource } from '../mm/page-table.js'
import { SlotState } from '../mm/slots.js'
import { VmaFlag } from '../mm/vma.js'
import { FaultResult, Trace } from '../trace/tracepoints.js'
import { NULL_ENTRY, isData, isPmd } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { commitMetadata, isMetadataDirty } from './commit.js'
import type { Fault } from './fault-context.js'
import {
  getUnlockedEntry,
  lockEntry,
  lockPages,
  putUnlockedEntry,
  rootOf,
  unlockEntry,
  unlockPages,
} from './grab-entry.js'
import { forgetDirt } from './insert-entry.js'
import type { Kernel } from './kernel.js'
import { setSlot } from './slot.js'
import { traceFault, traceFile } from './trace.js'
import { LOST } from './flush-bytes.js'
import { saveRange } from './writeback.js'

/** K50: a write, the mapping is MAP_SYNC, and the file has metadata that is not committed (IOMAP_F_DIRTY). */
export function isSynchronous(kernel: Kernel, fault: Fault): boolean {
  const flags = VmaFlag.Sync | VmaFlag.Shared
  if (!fault.write || (kernel.vmas.flagsOf(fault.vma) & flags) !== flags) return false
  return isMetadataDirty(kernel, fault.inode)
}

/**
 * dax_finish_sync_fault. order: 0 or 9.
 * Context: shared range held, no entry lock; sleeps over host writes.
 * Return: false when the commit failed, or the page cannot be read: SIGBUS.
 */
export function finishSyncFault(kernel: Kernel, fault: Fault, order: number, source: PageSource): boolean {
  const { inode, pgoff } = fault
  const first = order === 0 ? pgoff : pgoff - (pgoff % Page.PmdPages)
  traceFile(kernel, Trace.FinishSyncFault, inode, order)
  const error = saveRange(kernel, inode, first, first + (1 << order) - 1)
  // A bad page elsewhere in a 2 MiB entry is the next sync's to tell.
  if (error < 0 && error !== LOST) return false
  if (commitMetadata(kernel, inode, true) < 0) return false
  if (!insertPfnMkwrite(kernel, fault, order, source)) return false
  traceFault(kernel, Trace.InsertPfnMkwrite, fault, FaultResult.NoPage)
  return true
}

/**
 * dax_insert_pfn_mkwrite (K63): the entry may be gone, or of another size, by now; then the access is retried.
 * Context: takes i_pages; may sleep while the entry is locked. Return: false when the page cannot be mapped.
 */
function insertPfnMkwrite(kernel: Kernel, fault: Fault, order: number, source: PageSource): boolean {
  const { inode, vma } = fault
  const pgoff = order === 0 ? fault.pgoff : fault.pgoff - (fault.pgoff % Page.PmdPages)
  lockPages(kernel, inode)
  const entry = getUnlockedEntry(kernel, inode, pgoff)
  if (entry === NULL_ENTRY || isPmd(entry) !== (order !== 0) || !isData(entry)) {
    putUnlockedEntry(kernel, inode, pgoff, entry)
    unlockPages(kernel, inode)
    kernel.pageTable.retryPage(vma, fault.pgoff)
    return true
  }
  kernel.inodes.setFlags(inode, InodeFlag.Dirty)
  kernel.tree.setMark(rootOf(kernel, inode), pgoff, Mark.Dirty)
  const locked = lockEntry(kernel, inode, pgoff, entry)
  unlockPages(kernel, inode)
  let error: Errno
  // As if the cache had the page: the commit may have made it, where media is what is mapped, and a call that fills the
  // cache wakes who faulted when it finds one.
  if (order === 0) error = kernel.pageTable.mapPage(vma, pgoff, source, true, true)
  else {
    setSlot(kernel, vma, fault.address, SlotState.HugeWrite)
    error = kernel.pageTable.mapHuge(vma, fault.pgoff, source, true)
  }
  if (error < 0) forgetDirt(kernel, inode, pgoff, locked)
  unlockEntry(kernel, inode, pgoff, locked)
  return error >= 0
}
