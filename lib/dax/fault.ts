/**
 * The page fault, from the event to the handler that serves it (handle_mm_fault and what it asks of DAX).
 *
 * The slot of the 2 MiB the address is in decides (mm/slots.ts):
 *
 *   Empty       a 2 MiB fault is tried; when it falls back, a table is there from then on
 *   HugeRead    a store tries to make the huge page writable; a private one, and a failure, split it first
 *   Huge…       otherwise the model has the page mapped already: the host maps this piece of it (a fill-in, no fault)
 *   Table       a 4 KiB fault
 *
 * Order: range lock → entry lock → block map (ilock) → tree (i_pages) → page table → unlock → range unlock. The page
 * table is changed before the entry is unlocked (D4).
 */
import { Page } from '../constants.js'
import { SlotState } from '../mm/slots.js'
import { VmaFlag } from '../mm/vma.js'
import { Counter, FaultKind } from '../stats.js'
import { windowOf } from './fault-around.js'
import { Access, FALLBACK, type Fault, WOULD_BLOCK } from './fault-context.js'
import { fillIn, serveHugeFault } from './pmd-fault.js'
import { servePageFault } from './pte-fault.js'
import { setSlot, slotOf, splitHuge, touchGib } from './slot.js'
import type { Kernel } from './kernel.js'
import { traceUpdateTime } from './trace.js'

/**
 * Serve one fault on page `pgoff` of a mapping the caller is a user of.
 *
 * access: Access bits. fromUser: the access was made by user code, not by a system call on its behalf.
 * Context: any thread but the faulting one; holds no lock; sleeps only when `maySleep`. Never touches a user mapping.
 * Return: the FaultKind it was, or WOULD_BLOCK.
 */
export function serveFault(
  kernel: Kernel,
  vma: number,
  pgoff: number,
  access: number,
  maySleep: boolean,
  fromUser = true,
): number {
  const { vmas, locking } = kernel
  const inode = vmas.inodeOf(vma)
  const address = vmas.addressOfPage(vma, pgoff)
  // S3.5: a 4 KiB fault locks its page, one that may become a 2 MiB fault locks those. A slot that changes meanwhile
  // only goes from Empty to Table, which needs less.
  const huge = kernel.hugePages && slotOf(kernel, vma, address) !== SlotState.Table
  const span = huge ? Page.PmdPages : windowOf(kernel, vma, (access & Access.Write) !== 0)
  const first = pgoff - (pgoff % span)
  const last = first + span - 1
  if (!locking.beginFault(kernel, inode, first, last, maySleep)) {
    kernel.threads.count(kernel.self, Counter.RangeConflicts, 1)
    return WOULD_BLOCK
  }
  const { fault } = kernel
  fault.vma = vma
  fault.inode = inode
  fault.pgoff = pgoff
  fault.address = address
  fault.write = (access & Access.Write) !== 0
  fault.mkwrite = (access & Access.Protected) !== 0
  fault.cached = (access & (Access.Cached | Access.Protected)) !== 0
  fault.maySleep = maySleep
  const kind = dispatch(kernel, fault, fromUser, huge)
  locking.endFault(kernel, inode)
  return kind
}

function dispatch(kernel: Kernel, fault: Fault, fromUser: boolean, huge: boolean): number {
  const { vma, address, write } = fault
  const slot = huge ? slotOf(kernel, vma, address) : SlotState.Table
  const shared = (kernel.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
  if (slot === SlotState.Table) return pageFault(kernel, fault)
  if (slot === SlotState.HugeWrite || (slot === SlotState.HugeRead && !write)) return fillIn(kernel, fault, slot)
  if (slot === SlotState.HugeRead) {
    const kind = shared ? hugeFault(kernel, fault) : FALLBACK
    if (kind !== FALLBACK) return kind
    splitHuge(kernel, vma, address)
    const retried = fromUser && kernel.flavour.retriesUserFaults
    return tableFault(kernel, { ...fault, mkwrite: false }, retried ? 1 : 0)
  }
  // A 1 GiB fault falls back at once (K44), but not before it has updated the times.
  if (touchGib(kernel, vma, address)) traceUpdateTime(kernel, fault)
  return tableFault(kernel, fault, fromUser && kernel.flavour.retriesUserFaults ? 2 : 1)
}

/** Nothing is mapped in these 2 MiB: the huge fault is tried, then a page is mapped, which makes a table. */
function tableFault(kernel: Kernel, fault: Fault, hugeAttempts: number): number {
  const { vma, address } = fault
  if ((kernel.vmas.flagsOf(vma) & VmaFlag.NoHuge) === 0) {
    for (let attempt = 0; attempt < hugeAttempts; attempt++) {
      const kind = hugeFault(kernel, fault)
      if (kind !== FALLBACK) return kind
    }
  }
  const kind = pageFault(kernel, fault)
  const mapped = kind !== WOULD_BLOCK && kind !== FaultKind.Failed && kind !== FaultKind.Stale
  // A fault that maps nothing makes no table, and the next one may be huge.
  if (mapped) setSlot(kernel, vma, address, SlotState.Table)
  return kind
}

function hugeFault(kernel: Kernel, fault: Fault): number {
  traceUpdateTime(kernel, fault)
  return serveHugeFault(kernel, fault)
}

function pageFault(kernel: Kernel, fault: Fault): number {
  traceUpdateTime(kernel, fault)
  return servePageFault(kernel, fault)
}

/** Does the model have this address mapped by a huge page? A guess: nothing is locked. */
export function isMappedHuge(kernel: Kernel, address: number): boolean {
  return kernel.hugePages && kernel.slots.get(address) >= SlotState.HugeRead
}

/** Would this access only fill in a piece of a huge page that the model has mapped? A guess: nothing is locked. */
export function isFillIn(kernel: Kernel, address: number, write: boolean): boolean {
  if (!isMappedHuge(kernel, address)) return false
  return !write || kernel.slots.get(address) === SlotState.HugeWrite
}
