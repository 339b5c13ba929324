/** Loads and stores: byte by byte as a program would make them, with the signals they may end in. */
import { Page } from '../constants.js'
import { failedFault } from '../dax/failed-fault.js'
import type { Machine } from '../fault/machine.js'
import { settle } from '../fault/settle.js'
import { vmPages } from '../fs/vm/look.js'
import { VmaFlag } from '../mm/vma.js'
import { Trace, TraceFault } from '../trace/tracepoints.js'

const enum Signal {
  Bus = 7,
  Segv = 11,
}

const enum SignalCode {
  SegvAccess = 2,
  BusAddress = 2,
}

export interface Access {
  readonly address: number
  readonly length: number
  readonly step: number
  readonly write: boolean
  /** One for each access: read into, or stored from. */
  readonly bytes: Uint8Array
}

export interface AccessResult {
  /** Accesses made. */
  readonly done: number
  readonly failure?: SignalFailure
}

export interface SignalFailure {
  readonly sig: 'SIGBUS' | 'SIGSEGV'
  readonly code: number
  readonly codeName: string
  readonly address: number
}

/** Context: the calling thread's own memory; sleeps in the faults. */
export function accessMemory(machine: Machine, access: Access): AccessResult {
  const { address, length, step, write, bytes } = access
  const failure = new Float64Array(3)
  const done = machine.addon.accessBytes(address, length, step, write, bytes, failure)
  const [signal, code, at] = failure as unknown as [number, number, number]
  if (signal === 0) return { done }
  // What is told about the failed access comes after what the worker still tells about the ones before.
  settle(machine)
  if (signal === Signal.Bus) {
    busError(machine, at, write)
    // The host may call it a memory error: a page that was refused is a poisoned page-table entry there.
    return { done, failure: { sig: 'SIGBUS', code: SignalCode.BusAddress, codeName: 'BUS_ADRERR', address: at } }
  }
  segmentViolation(machine, at, write)
  const codeName = code === (SignalCode.SegvAccess as number) ? 'SEGV_ACCERR' : 'SEGV_MAPERR'
  return { done, failure: { sig: 'SIGSEGV', code, codeName, address: at } }
}

/**
 * Past EOF no handler of ours saw the fault: it is told now. Inside the file ours has answered, by poisoning the
 * page-table entry: that must go again, because the next access is a new fault.
 */
function busError(machine: Machine, address: number, write: boolean): void {
  const { vmas, inodes } = machine
  const vma = vmas.acquire(address)
  if (vma === 0) return
  const page = address - (address % Page.Size)
  const pgoff = vmas.pgoffOf(vma) + (page - vmas.addressOf(vma)) / Page.Size
  if (pgoff < inodes.pagesOf(vmas.inodeOf(vma))) machine.addon.dropPages(page, Page.Size)
  else failedFault(machine, vma, address, write)
  vmas.unuse(vma)
}

/** The kernel traces the fault before it knows that it will be refused. */
function segmentViolation(machine: Machine, address: number, write: boolean): void {
  const { vmas, trace, self } = machine
  const vma = vmas.acquire(address)
  let flags = write ? TraceFault.Write : 0
  if (vma !== 0) {
    const readable = (vmas.flagsOf(vma) & VmaFlag.Read) !== 0
    const page = address - (address % Page.Size)
    if (readable && vmPages(machine, page, Page.Size) !== '.') flags |= TraceFault.Mkwrite
    vmas.unuse(vma)
  }
  trace.emit(Trace.PageFaultUser, self, vma === 0 ? 0 : vmas.inodeOf(vma), vma, flags, 0, address)
}
