/**
 * The 4 KiB fault (dax_iomap_pte_fault).
 *
 * What it turns out to be is decided by three questions, asked with the entry locked: is it a store to a private
 * mapping, does the file have a block there, is it a store.
 *
 *                        hole / unwritten                block
 *   load                 zero page, read-only (T7)       the page, read-only, clean (K52)
 *   store, shared        allocate, unmap zero pages,     the page, writable, DIRTY
 *                        map writable, DIRTY (T6)        (present and protected: pfn_mkwrite, K60)
 *   store, private       anonymous copy (of zeroes)      anonymous copy: no change of the entry (1.5 step 7a)
 *
 * In a mapping that is tracked asynchronously a load of a hole is a store (collect-stores.ts).
 */
import { ErrorNumber, type Errno } from '../errors.js'
import { BlockState } from '../media/block-map.js'
import { PageSource } from '../mm/page-table.js'
import { VmaFlag } from '../mm/vma.js'
import { Counter, FaultKind } from '../stats.js'
import { FaultResult, Trace } from '../trace/tracepoints.js'
import { type Entry, errnoOf, isData, isErrorEntry, isPmd } from '../tree/entry.js'
import { isBadPage } from './bad-blocks.js'
import { allocateBlock, lookupBlock } from './blocks.js'
import { mayHaveStores } from './collect-stores.js'
import { mapAround } from './fault-around.js'
import { type Fault, WOULD_BLOCK } from './fault-context.js'
import { grabEntry, unlockEntry } from './grab-entry.js'
import { forgetDirt, insertEntry, insertHole } from './insert-entry.js'
import type { Kernel } from './kernel.js'
import { finishSyncFault, isSynchronous } from './sync-fault.js'
import { traceFault } from './trace.js'

/**
 * Context: shared range held; sleeps only when fault.maySleep.
 * Return: the FaultKind it was, or WOULD_BLOCK.
 */
export function servePageFault(kernel: Kernel, fault: Fault): number {
  const { inode, pgoff, vma, write } = fault
  // Beyond EOF the cache has no page either: the retried access gets its SIGBUS from the host kernel.
  if (!kernel.inodes.hasPage(inode, pgoff)) {
    kernel.pageTable.retryPage(vma, pgoff)
    return FaultKind.Stale
  }
  const shared = (kernel.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
  const copy = write && !shared
  // The copy of a present page is made by mm from that page, without a word to DAX (wp_page_copy).
  if (!copy || !fault.mkwrite) traceFault(kernel, Trace.PteFault, fault)
  const entry = grabEntry(kernel, inode, pgoff, fault.maySleep)
  if (isErrorEntry(entry) && errnoOf(entry) === ErrorNumber.EAGAIN) return WOULD_BLOCK
  if (isErrorEntry(entry)) return fail(kernel, fault)
  if (copy) return copyFault(kernel, fault, entry)
  return write ? writeFault(kernel, fault, entry) : readFault(kernel, fault, entry)
}

/** Context: entry locked; unlocks it. */
function readFault(kernel: Kernel, fault: Fault, entry: Entry): number {
  const { inode, pgoff, vma, cached } = fault
  const pfn = lookupBlock(kernel, inode, pgoff)
  let now = entry
  let error: Errno
  // What is present in such a mapping can be stored to, and no fault would allocate the block then.
  if (pfn === 0 && kernel.vmas.isAsync(vma)) return writeFault(kernel, fault, entry)
  let dirty = false
  if (pfn === 0) {
    now = insertHole(kernel, inode, pgoff, entry)
    error = kernel.pageTable.mapPage(vma, pgoff, PageSource.Zero, cached, false)
    if (error >= 0) traceFault(kernel, Trace.LoadHole, fault, FaultResult.NoPage)
  } else {
    error = isBadPage(kernel, inode, pfn) ? -ErrorNumber.EHWPOISON : 0
    if (error === 0) {
      dirty = isData(entry) && mayHaveStores(kernel, fault, pgoff, 1)
      now = insertEntry(kernel, inode, pgoff, entry, pfn, dirty)
      const around = cached && kernel.faultAround > 1 && !isPmd(now) && mapAround(kernel, fault)
      if (!around) error = kernel.pageTable.mapPage(vma, pgoff, PageSource.Media, cached, false)
    }
  }
  if (error === -ErrorNumber.EHWPOISON) return failLocked(kernel, fault, now, FaultResult.HwPoison)
  if (error < 0) {
    if (dirty) forgetDirt(kernel, inode, pgoff, now)
    return failLocked(kernel, fault, now)
  }
  traceFault(kernel, Trace.PteFaultDone, fault, FaultResult.NoPage)
  unlockEntry(kernel, inode, pgoff, now)
  kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
  if (cached) return FaultKind.MinorRead
  return pfn === 0 ? FaultKind.HoleRead : FaultKind.DataRead
}

/** Context: entry locked; unlocks it. */
function writeFault(kernel: Kernel, fault: Fault, entry: Entry): number {
  const { inode, pgoff, vma, cached, mkwrite } = fault
  const pfn = allocateBlock(kernel, inode, pgoff)
  // What it found there: with the entry locked nobody else changes that.
  const isNew = kernel.blockCursor.state !== BlockState.Written
  if (pfn < 0) return failLocked(kernel, fault, entry)
  if (isBadPage(kernel, inode, pfn)) return failLocked(kernel, fault, entry, FaultResult.HwPoison)

  // A present page whose entry is data keeps its place in the page table; any other was or will be unmapped.
  const upgrade = isData(entry) && mkwrite
  // A new block holds nothing but zeroes, whatever media has there (S0.10).
  const source = isNew ? PageSource.Zero : PageSource.Media
  const kind = kindOfWrite(fault, isNew, upgrade)
  const major = isNew ? FaultResult.Major : 0
  if (isSynchronous(kernel, fault)) {
    const now = insertEntry(kernel, inode, pgoff, entry, pfn, false)
    traceFault(kernel, Trace.PteFaultDone, fault, major | FaultResult.NeedDsync)
    unlockEntry(kernel, inode, pgoff, now)
    kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
    return finishSyncFault(kernel, fault, 0, source) ? kind : fail(kernel, fault)
  }
  const now = insertEntry(kernel, inode, pgoff, entry, pfn, true)
  const error = upgrade
    ? kernel.pageTable.makeWritable(vma, pgoff)
    : kernel.pageTable.mapPage(vma, pgoff, source, cached, true)
  if (error < 0) {
    forgetDirt(kernel, inode, pgoff, now)
    return failLocked(kernel, fault, now)
  }
  traceFault(kernel, Trace.PteFaultDone, fault, major | FaultResult.NoPage)
  unlockEntry(kernel, inode, pgoff, now)
  kernel.threads.count(kernel.self, isNew ? Counter.MajorFaults : Counter.MinorFaults, 1)
  return kind
}

function kindOfWrite(fault: Fault, isNew: boolean, upgrade: boolean): FaultKind {
  if (isNew) return FaultKind.HoleWrite
  if (upgrade) return FaultKind.Mkwrite
  return fault.cached ? FaultKind.MinorWrite : FaultKind.DataWrite
}

/**
 * Store to a private mapping. The entry stays locked until the copy is in the page table (S0.6): after a truncate no
 * copy of a freed block can appear.
 * Context: entry locked; unlocks it.
 */
function copyFault(kernel: Kernel, fault: Fault, entry: Entry): number {
  const { inode, pgoff, vma } = fault
  const pfn = lookupBlock(kernel, inode, pgoff)
  if (pfn !== 0 && isBadPage(kernel, inode, pfn)) return failLocked(kernel, fault, entry, FaultResult.HwPoison)
  const source = pfn === 0 ? PageSource.Zero : PageSource.Media
  const error = kernel.pageTable.mapPrivateCopy(vma, pgoff, source)
  if (error < 0) return failLocked(kernel, fault, entry)
  if (!fault.mkwrite) traceFault(kernel, Trace.PteFaultDone, fault, FaultResult.DoneCow)
  unlockEntry(kernel, inode, pgoff, entry)
  kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
  return FaultKind.PrivateCopy
}

function failLocked(kernel: Kernel, fault: Fault, entry: Entry, result = FaultResult.Sigbus): number {
  const kind = fail(kernel, fault, result)
  unlockEntry(kernel, fault.inode, fault.pgoff, entry)
  return kind
}

/** result: SIGBUS, or HWPOISON for a bad page, which is a SIGBUS that says so. */
function fail(kernel: Kernel, fault: Fault, result = FaultResult.Sigbus): number {
  traceFault(kernel, Trace.PteFaultDone, fault, result)
  kernel.pageTable.failPage(fault.vma, fault.pgoff)
  return FaultKind.Failed
}
