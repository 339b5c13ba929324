/**
 * The 2 MiB fault (dax_iomap_pmd_fault), and the pieces in which the host maps a huge page.
 *
 * Tried before any entry is looked at, in this order (1.6): beyond EOF is SIGBUS, not a fallback; the address must be
 * congruent to the file offset; private stores copy by 4 KiB; the mapping must cover the 2 MiB; the file must too. Then
 * the entry (any 4 KiB entry in the range: fall back, K20), then the blocks: one extent of 512 pages at an aligned pfn,
 * none poisoned.
 */
import { Page } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { BlockState } from '../media/block-map.js'
import { PageSource } from '../mm/page-table.js'
import { SlotState } from '../mm/slots.js'
import { VmaFlag } from '../mm/vma.js'
import { Counter, FaultKind } from '../stats.js'
import { FaultResult, Trace } from '../trace/tracepoints.js'
import { type Entry, errnoOf, isData, isErrorEntry } from '../tree/entry.js'
import { HugeExtent, findHugeExtent, lookupBlock } from './blocks.js'
import { mayHaveStores, noteStores } from './collect-stores.js'
import { FALLBACK, type Fault, WOULD_BLOCK } from './fault-context.js'
import { grabHugeEntry, unlockEntry } from './grab-entry.js'
import { insertEntry, insertHole } from './insert-entry.js'
import type { Kernel } from './kernel.js'
import { setSlot, slotOf } from './slot.js'
import { finishSyncFault, isSynchronous } from './sync-fault.js'
import { traceFault } from './trace.js'

const extent = new HugeExtent()

/**
 * Context: shared range of the 2 MiB held; sleeps only when fault.maySleep.
 * Return: the FaultKind it was, FALLBACK or WOULD_BLOCK.
 */
export function serveHugeFault(kernel: Kernel, fault: Fault): number {
  const { inode, pgoff } = fault
  const start = pgoff - (pgoff % Page.PmdPages)
  traceFault(kernel, Trace.PmdFault, fault)
  // By the first page of the 2 MiB: a page past EOF in a 2 MiB that begins before it falls back.
  if (start >= kernel.inodes.pagesOf(inode)) {
    traceFault(kernel, Trace.PmdFaultDone, fault, FaultResult.Sigbus)
    kernel.pageTable.retryPage(fault.vma, pgoff)
    return FaultKind.Stale
  }
  if (mustFallBack(kernel, fault)) return fallBack(kernel, fault)
  const entry = grabHugeEntry(kernel, inode, start, fault.maySleep)
  if (isErrorEntry(entry)) {
    return errnoOf(entry) === ErrorNumber.EAGAIN ? WOULD_BLOCK : fallBack(kernel, fault)
  }
  return serveLocked(kernel, fault, start, entry)
}

function mustFallBack(kernel: Kernel, fault: Fault): boolean {
  const { vma, inode, pgoff, address } = fault
  const { vmas } = kernel
  if ((address / Page.Size - pgoff) % Page.PmdPages !== 0) return true
  if (fault.write && (vmas.flagsOf(vma) & VmaFlag.Shared) === 0) return true
  const start = address - (address % Page.PmdSize)
  if (start < vmas.addressOf(vma)) return true
  if (start + Page.PmdSize > vmas.addressOf(vma) + vmas.pagesOf(vma) * Page.Size) return true
  return pgoff - (pgoff % Page.PmdPages) + Page.PmdPages > kernel.inodes.pagesOf(inode)
}

/** Context: 2 MiB entry locked; unlocks it. */
function serveLocked(kernel: Kernel, fault: Fault, start: number, entry: Entry): number {
  const { inode, write } = fault
  const error = findHugeExtent(kernel, inode, start, write, extent)
  const whole = error >= 0 && extent.pages === Page.PmdPages
  const hole = whole && extent.state !== BlockState.Written
  // A zero page in a mapping that is tracked asynchronously could be stored to: its blocks are allocated, by 4 KiB.
  if (hole && !kernel.vmas.isAsync(fault.vma)) return loadHole(kernel, fault, start, entry)
  const aligned = extent.pfn % Page.PmdPages === 0
  if (!whole || hole || !aligned || kernel.pfns.anyPoisoned(extent.pfn, Page.PmdPages)) {
    // What stays behind is an empty entry, which the next fault recycles (K7).
    unlockEntry(kernel, inode, start, entry)
    return fallBack(kernel, fault)
  }
  return mapData(kernel, fault, start, entry, extent.pfn, extent.isNew)
}

/** T8. Context: entry locked; unlocks it. */
function loadHole(kernel: Kernel, fault: Fault, start: number, entry: Entry): number {
  const { inode, vma } = fault
  if (isData(entry)) {
    unlockEntry(kernel, inode, start, entry)
    return fallBack(kernel, fault)
  }
  const now = insertHole(kernel, inode, start, entry)
  setSlot(kernel, vma, fault.address, SlotState.HugeRead)
  const error = kernel.pageTable.mapPiece(vma, fault.pgoff, PageSource.Zero, fault.cached, false)
  return finish(kernel, fault, start, now, error, FaultKind.HugeHoleRead, true)
}

/** Context: entry locked; unlocks it. */
function mapData(kernel: Kernel, fault: Fault, start: number, entry: Entry, pfn: number, isNew: boolean): number {
  const { inode, vma, write } = fault
  const source = isNew ? PageSource.Zero : PageSource.Media
  const kind = !write ? FaultKind.HugeDataRead : isNew ? FaultKind.HugeHoleWrite : FaultKind.HugeDataWrite
  if (isSynchronous(kernel, fault)) {
    const now = insertEntry(kernel, inode, start, entry, pfn, false)
    traceFault(kernel, Trace.PmdFaultDone, fault, FaultResult.NeedDsync)
    unlockEntry(kernel, inode, start, now)
    kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
    if (finishSyncFault(kernel, fault, Page.PmdOrder, source)) return kind
    kernel.pageTable.failPage(vma, fault.pgoff)
    return FaultKind.Failed
  }
  const dirty = write || (isData(entry) && mayHaveStores(kernel, fault, start, Page.PmdPages))
  const now = insertEntry(kernel, inode, start, entry, pfn, dirty)
  setSlot(kernel, vma, fault.address, write ? SlotState.HugeWrite : SlotState.HugeRead)
  const error = kernel.pageTable.mapHuge(vma, fault.pgoff, source, write)
  return finish(kernel, fault, start, now, error, kind, false)
}

function finish(
  kernel: Kernel,
  fault: Fault,
  start: number,
  entry: Entry,
  error: Errno,
  kind: FaultKind,
  hole: boolean,
): number {
  if (error < 0) {
    setSlot(kernel, fault.vma, fault.address, SlotState.Empty)
    unlockEntry(kernel, fault.inode, start, entry)
    return fallBack(kernel, fault)
  }
  if (hole) traceFault(kernel, Trace.PmdLoadHole, fault, FaultResult.NoPage)
  traceFault(kernel, Trace.PmdFaultDone, fault, FaultResult.NoPage)
  unlockEntry(kernel, fault.inode, start, entry)
  kernel.threads.count(kernel.self, Counter.MinorFaults, 1)
  return kind
}

function fallBack(kernel: Kernel, fault: Fault): number {
  traceFault(kernel, Trace.PmdFaultDone, fault, FaultResult.Fallback)
  return FALLBACK
}

/**
 * The model has this page mapped as part of a huge one; the host has not. Map it as the slot says, under the entry lock
 * like any fault: a truncate or a writeback of the entry must not miss it.
 *
 * Context: shared range held. Return: FillIn, Stale when the entry is not there any more, or WOULD_BLOCK.
 */
export function fillIn(kernel: Kernel, fault: Fault, slot: SlotState): number {
  const { inode, pgoff, vma } = fault
  const start = pgoff - (pgoff % Page.PmdPages)
  // By its own size: a grab for 4 KiB would take a huge zero entry for something in its way (T5).
  const entry = grabHugeEntry(kernel, inode, start, fault.maySleep)
  if (isErrorEntry(entry) && errnoOf(entry) === ErrorNumber.EAGAIN) return WOULD_BLOCK
  // Someone may have dropped the huge page before the entry was ours: then this is a fault of its own.
  if (isErrorEntry(entry) || slotOf(kernel, vma, fault.address) !== slot) {
    if (!isErrorEntry(entry)) unlockEntry(kernel, inode, start, entry)
    kernel.pageTable.retryPage(vma, pgoff)
    return FaultKind.Stale
  }
  const pfn = lookupBlock(kernel, inode, pgoff)
  const writable = slot === SlotState.HugeWrite
  const upgrade = writable && fault.mkwrite
  if (!writable && mayHaveStores(kernel, fault, pgoff, start + Page.PmdPages - pgoff)) noteStores(kernel, inode, start)
  const error = upgrade
    ? kernel.pageTable.makeWritable(vma, pgoff)
    : kernel.pageTable.mapPiece(vma, pgoff, pfn === 0 ? PageSource.Zero : PageSource.Media, fault.cached, writable)
  if (error < 0) kernel.pageTable.failPage(vma, pgoff)
  unlockEntry(kernel, inode, start, entry)
  return error < 0 ? FaultKind.Failed : FaultKind.FillIn
}
