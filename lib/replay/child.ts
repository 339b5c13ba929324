/**
 * fork, modelled: a process whose other threads serve its faults cannot be forked, so the child's accesses act on a
 * copy of the mapping made for them.
 *
 *   shared    a second mapping of the same range. The child's page tables are empty there: fork does not copy those of
 *             file mappings, faults bring them back
 *   private   the same, unless the mapping has copies of its own: then fork copies its page tables. What was mapped
 *             is mapped in the child, write-protected; the child's store to it is a fault and a copy that nobody else
 *             sees. The parent's copies are write-protected too, until its next store
 */
import { Page } from '../constants.js'
import { checkResult } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { Advice, MapFlag, Prot } from '../fs/vm/abi.js'
import { vmMadvise } from '../fs/vm/advise.js'
import { vmPages } from '../fs/vm/look.js'
import { vmMmap, vmMunmap } from '../fs/vm/map.js'
import { VmaFlag } from '../mm/vma.js'
import { Trace, TraceFault } from '../trace/tracepoints.js'
import { type Access, type AccessResult, accessMemory } from './access.js'
import type { Session } from './session.js'

const GIB = 2 ** 30

/** The access, made by a child forked for it alone. Failure addresses are the parent's. */
export function childAccess(session: Session, access: Access): AccessResult {
  const { machine } = session
  const vma = machine.vmas.acquire(access.address)
  if (vma !== 0) machine.vmas.unuse(vma)
  const result = vma === 0 ? accessMemory(machine, access) : accessCopy(session, vma, access)
  markForked(session)
  // How the child reports to its parent, as the reference records show it: a store to a file shared by the two.
  machine.trace.emit(Trace.FileUpdateTime, machine.self, 0, 0, 0, 0)
  return result
}

function accessCopy(session: Session, vma: number, access: Access): AccessResult {
  const { machine } = session
  const { vmas } = machine
  const start = vmas.addressOf(vma)
  const length = vmas.pagesOf(vma) * Page.Size
  const shared = (vmas.flagsOf(vma) & VmaFlag.MayShare) !== 0
  const letters = shared ? '' : vmPages(machine, start, length)
  const inherits = (vmas.flagsOf(vma) & VmaFlag.DontFork) === 0
  const copy = inherits ? mapCopy(session, vma, start, length) : session.maps.place(length + GIB) + (start % GIB)
  session.maps.setAlias({ from: copy, length, to: start })
  const moved = { ...access, address: access.address - start + copy }
  const result =
    inherits && letters.includes('a')
      ? accessByPage(machine, moved, (address) => {
          const mapped = (letters[Math.floor((address - copy) / Page.Size)] ?? '.') !== '.'
          return mapped ? address - copy + start : undefined
        })
      : accessMemory(machine, moved)
  if (inherits) session.call('munmap', () => vmMunmap(machine, copy, length))
  const { failure } = result
  if (failure === undefined) return result
  return { ...result, failure: { ...failure, address: failure.address - copy + start } }
}

/** A mapping like another, with nothing mapped yet, whose addresses go by the other's names. */
function mapCopy(session: Session, vma: number, start: number, length: number): number {
  const { machine, maps } = session
  const { vmas } = machine
  const flags = vmas.flagsOf(vma)
  const has = (flag: VmaFlag, bits: number): number => ((flags & flag) !== 0 ? bits : 0)
  const copy = session.call('mmap', () =>
    vmMmap(machine, {
      inode: vmas.inodeOf(vma),
      access: (flags & VmaFlag.MayWrite) !== 0 ? 'rw' : 'r',
      offset: vmas.pgoffOf(vma) * Page.Size,
      length,
      prot: has(VmaFlag.Read, Prot.Read) | has(VmaFlag.Write, Prot.Write) | has(VmaFlag.Exec, Prot.Exec),
      flags:
        (has(VmaFlag.MayShare, MapFlag.Shared) || MapFlag.Private) | has(VmaFlag.Sync, MapFlag.Sync) | MapFlag.Fixed,
      address: maps.place(length + GIB) + (start % GIB),
    }),
  )
  checkResult(copy, 'mmap')
  if ((flags & VmaFlag.NoHuge) !== 0) {
    session.call('madvise', () => vmMadvise(machine, copy, length, Advice.NoHugePage))
  }
  return copy
}

/** inherited: the parent's address of a byte that the child has mapped from the start. */
function accessByPage(
  machine: Machine,
  access: Access,
  inherited: (address: number) => number | undefined,
): AccessResult {
  let done = 0
  let protectedPage = -1
  for (const piece of pagePieces(access)) {
    const original = inherited(piece.address)
    if (original === undefined || !piece.write) {
      const result = accessMemory(machine, original === undefined ? piece : { ...piece, address: original })
      done += result.done
      if (result.failure !== undefined) return { done, failure: result.failure }
      continue
    }
    const page = Math.floor(piece.address / Page.Size)
    if (page !== protectedPage) tracePresentStore(machine, piece.address)
    protectedPage = page
    done += piece.bytes.length
  }
  return { done }
}

/** The parent's stores after a fork: the first to each of its copies is a fault that finds it the only user. */
export function storeOverForked(session: Session, access: Access): AccessResult {
  const { machine, forkedPages } = session
  let done = 0
  for (const piece of pagePieces(access)) {
    const page = piece.address - (piece.address % Page.Size)
    if (forkedPages.delete(page) && vmPages(machine, page, Page.Size) === 'a') {
      tracePresentStore(machine, piece.address)
      session.extraMinorFaults++
    }
    const result = accessMemory(machine, piece)
    done += result.done
    if (result.failure !== undefined) return { done, failure: result.failure }
  }
  return { done }
}

function tracePresentStore(machine: Machine, address: number): void {
  const flags = TraceFault.Write | TraceFault.Mkwrite
  machine.trace.emit(Trace.PageFaultUser, machine.self, 0, 0, flags, 0, address)
}

function markForked(session: Session): void {
  const { machine, forkedPages } = session
  const { vmas } = machine
  for (let id = 1; id <= vmas.highest; id++) {
    if (!vmas.isLive(id) || (vmas.flagsOf(id) & VmaFlag.MayShare) !== 0) continue
    const start = vmas.addressOf(id)
    const letters = vmPages(machine, start, vmas.pagesOf(id) * Page.Size)
    for (let page = letters.indexOf('a'); page >= 0; page = letters.indexOf('a', page + 1)) {
      forkedPages.add(start + page * Page.Size)
    }
  }
}

/** An access cut at page boundaries. */
function* pagePieces(access: Access): Generator<Access> {
  const { address, step, bytes } = access
  for (let first = 0; first < bytes.length;) {
    const start = address + first * step
    const pageEnd = start - (start % Page.Size) + Page.Size
    const count = Math.min(bytes.length - first, Math.ceil((pageEnd - start) / step))
    yield { ...access, address: start, length: count * step, bytes: bytes.subarray(first, first + count) }
    first += count
  }
}
