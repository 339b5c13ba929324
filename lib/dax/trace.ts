/** Emitting the tracepoints of fault handling: what an event tells is looked up only while someone listens. */
import { Page } from '../constants.js'
import { VmaFlag } from '../mm/vma.js'
import { type FailureResult, Trace, TraceFault } from '../trace/tracepoints.js'
import type { Fault } from './fault-context.js'
import type { Kernel } from './kernel.js'

/** dax_pte_fault, dax_pmd_fault, their _done, dax_load_hole, dax_insert_pfn_mkwrite. result: FaultResult bits. */
export function traceFault(kernel: Kernel, event: Trace, fault: Fault, result = 0): void {
  const { trace, vmas } = kernel
  if (!trace.isOn) return
  const start = vmas.addressOf(fault.vma)
  const end = start + vmas.pagesOf(fault.vma) * Page.Size
  const shared = (vmas.flagsOf(fault.vma) & VmaFlag.Shared) !== 0 ? TraceFault.Shared : 0
  const flags = (fault.write ? TraceFault.Write : 0) | (fault.mkwrite ? TraceFault.Mkwrite : 0) | shared
  const maxPgoff = kernel.inodes.pagesOf(fault.inode)
  const { self } = kernel
  trace.emit(event, self, fault.inode, fault.vma, flags, result, fault.address, start, end, fault.pgoff, maxPgoff)
}

/** An event about a file, with up to three numbers. */
export function traceFile(kernel: Kernel, event: Trace, inode: number, a = 0, b = 0, c = 0): void {
  if (kernel.trace.isOn) kernel.trace.emit(event, kernel.self, inode, 0, 0, 0, a, b, c)
}

/** file_update_time of a store to a shared mapping (K31): once for each attempt of the fault, as the kernel does. */
export function traceUpdateTime(kernel: Kernel, fault: Fault): void {
  if (!fault.write || (kernel.vmas.flagsOf(fault.vma) & VmaFlag.Shared) === 0) return
  kernel.inodes.touchTimes(fault.inode)
  traceFile(kernel, Trace.FileUpdateTime, fault.inode)
}

/** memory_failure_event. inode: 0 when the page is in no file. */
export function traceFailure(kernel: Kernel, pfn: number, inode: number, result: FailureResult): void {
  if (kernel.trace.isOn) kernel.trace.emit(Trace.MemoryFailure, kernel.self, inode, 0, 0, result, pfn)
}
