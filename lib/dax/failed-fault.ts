/**
 * The fault the host kernel answered for us: an access past the end of the cache is a SIGBUS that no handler sees.
 * Whoever catches the signal reports it here, so that times, traces and counters are as if DAX had refused the page
 * itself.
 */
import { SlotState } from '../mm/slots.js'
import { VmaFlag } from '../mm/vma.js'
import { AccessMode, ThreadWord } from '../sync/threads.js'
import { FaultResult, Trace } from '../trace/tracepoints.js'
import { Page } from '../constants.js'
import type { Fault } from './fault-context.js'
import type { Kernel } from './kernel.js'
import { slotOf, touchGib } from './slot.js'
import { traceFault, traceUpdateTime } from './trace.js'

/**
 * vma: the mapping; address: exact. Does nothing for an access inside the file: that one went through serveFault.
 * A store to a shared mapping changes the times although it fails (FACTS 4).
 */
export function failedFault(kernel: Kernel, vma: number, address: number, write: boolean): void {
  const { vmas } = kernel
  const inode = vmas.inodeOf(vma)
  const page = address - (address % Page.Size)
  const pgoff = vmas.pgoffOf(vma) + (page - vmas.addressOf(vma)) / Page.Size
  if (pgoff < kernel.inodes.pagesOf(inode)) return
  const fault: Fault = { vma, inode, pgoff, address: page, write, mkwrite: false, cached: false, maySleep: false }
  traceArrival(kernel, fault, address)
  const slot = kernel.hugePages ? slotOf(kernel, vma, page) : SlotState.Table
  if (slot === SlotState.Empty && failedHuge(kernel, fault)) return
  traceUpdateTime(kernel, fault)
  traceFault(kernel, Trace.PteFault, fault)
  traceFault(kernel, Trace.PteFaultDone, fault, FaultResult.Sigbus)
}

/**
 * The 2 MiB attempts that come first where nothing is mapped (fault.ts, pmd-fault.ts).
 * Return: true when theirs was the SIGBUS; false when they fell back.
 */
function failedHuge(kernel: Kernel, fault: Fault): boolean {
  if (touchGib(kernel, fault.vma, fault.address)) traceUpdateTime(kernel, fault)
  if ((kernel.vmas.flagsOf(fault.vma) & VmaFlag.NoHuge) !== 0) return false
  const start = fault.pgoff - (fault.pgoff % Page.PmdPages)
  const final = start >= kernel.inodes.pagesOf(fault.inode)
  const mode = kernel.words.load(kernel.threads.at(kernel.self) + ThreadWord.AccessMode)
  const retried = mode === AccessMode.User && kernel.flavour.retriesUserFaults
  for (let attempt = 0; attempt < (retried && !final ? 2 : 1); attempt++) {
    traceUpdateTime(kernel, fault)
    traceFault(kernel, Trace.PmdFault, fault)
    traceFault(kernel, Trace.PmdFaultDone, fault, final ? FaultResult.Sigbus : FaultResult.Fallback)
  }
  return final
}

function traceArrival(kernel: Kernel, fault: Fault, address: number): void {
  const mode = kernel.words.load(kernel.threads.at(kernel.self) + ThreadWord.AccessMode)
  if (mode === AccessMode.Populate || !kernel.trace.isOn) return
  const event = mode === AccessMode.User ? Trace.PageFaultUser : Trace.PageFaultKernel
  kernel.trace.emit(event, kernel.self, fault.inode, fault.vma, fault.write ? 1 : 0, 0, address)
}
