/**
 * mremap.
 *
 * The host's mremap would take the mapping away from userfaultfd, and its write protection with it. So a move is made
 * of what is there already: a new mapping, into which the page table is copied, and an unmap of the old one. While
 * it is copied the file's list of mappings is locked: a writeback or a truncate sees both mappings before, or both
 * after.
 */
import { Page, PGOFF_LIMIT } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { settle } from '../../fault/settle.js'
import { InodeWord } from '../../mm/inode.js'
import { SlotState } from '../../mm/slots.js'
import { VmaFlag } from '../../mm/vma.js'
import { Counter } from '../../stats.js'
import { mutexLock, mutexUnlock } from '../../sync/mutex.js'
import { flag } from '../pool-directory.js'
import { MremapFlag, TASK_SIZE, isPageAligned, pageAlign } from './abi.js'
import { type Released, changeMappings, dropHugeAt, insertVma, joinAround, unmapRange, vmaAt } from './address-space.js'
import { hostProtection, mapHostAnywhere, mapHostAt } from './host-memory.js'
import { Pte, forEachPage } from './look.js'

/** Map pages write-protected (the addon's RESOLVE_WP). */
const RESOLVE_WP = 1

interface Move {
  readonly vma: number
  readonly from: number
  readonly oldLength: number
  readonly newLength: number
  readonly flags: number
  /** With MREMAP_FIXED where to; undefined: chosen here. */
  readonly to: number | undefined
  readonly misalign: number
}

/**
 * mremap(2), errors in the kernel's order. oldLength 0 makes a second mapping of the same pages (shared ones only).
 *
 * newAddress: for MREMAP_FIXED; without one a free address on a 2 MiB boundary, plus `misalign` bytes, is chosen.
 * Context: takes the address space; waits for faults being served.
 * Return: the address, or -errno: EINVAL, EFAULT (not, or not all, in one mapping), ENOMEM (cannot grow in place and
 * may not move; no room; maxMappings).
 */
export function vmMremap(
  machine: Machine,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress?: number,
  misalign = 0,
): number {
  const mayMove = (flags & MremapFlag.MayMove) !== 0
  const oldBytes = pageAlign(oldLength)
  const newBytes = pageAlign(newLength)
  if ((flags & ~MremapFlag.All) !== 0 || ((flags & MremapFlag.Fixed) !== 0 && !mayMove)) return -ErrorNumber.EINVAL
  if ((flags & MremapFlag.DontUnmap) !== 0 && (!mayMove || oldLength !== newLength)) return -ErrorNumber.EINVAL
  if (!isPageAligned(address) || newBytes === 0) return -ErrorNumber.EINVAL
  return changeMappings(machine, (released) => {
    if (vmaAt(machine, address) === 0) return -ErrorNumber.EFAULT
    const to = (flags & MremapFlag.Fixed) !== 0 ? newAddress : undefined
    const rest = { from: address, oldLength: oldBytes, newLength: newBytes, flags, to, misalign }
    if ((flags & (MremapFlag.Fixed | MremapFlag.DontUnmap)) !== 0) return moveTo(machine, rest, released)
    return resize(machine, rest, released)
  })
}

/** Shrinking only unmaps; growing stays in place when nothing follows. */
function resize(machine: Machine, wanted: Omit<Move, 'vma'>, released: Released): number {
  const { from, oldLength, newLength, flags } = wanted
  if (oldLength === newLength) return from
  if (oldLength > newLength) {
    if (oldLength > TASK_SIZE - from) return -ErrorNumber.EINVAL
    return unmapRange(machine, from + newLength, from + oldLength, released) || from
  }
  const vma = checkResize(machine, wanted)
  if (vma < 0) return vma
  if (growInPlace(machine, vma, from + oldLength, newLength - oldLength, released)) return from
  return (flags & MremapFlag.MayMove) === 0 ? -ErrorNumber.ENOMEM : moveVma(machine, { ...wanted, vma }, released)
}

/** mremap_to: what lies at the new place goes first, even if the move fails then. */
function moveTo(machine: Machine, wanted: Omit<Move, 'vma'>, released: Released): number {
  const { from, newLength, to } = wanted
  let { oldLength } = wanted
  if (to !== undefined) {
    if (!isPageAligned(to) || newLength > TASK_SIZE || to < 0 || to > TASK_SIZE - newLength) return -ErrorNumber.EINVAL
    if (from + oldLength > to && to + newLength > from) return -ErrorNumber.EINVAL
    const error = unmapRange(machine, to, to + newLength, released)
    if (error < 0) return error
  }
  if (oldLength > newLength) {
    if (oldLength > TASK_SIZE - from) return -ErrorNumber.EINVAL
    const error = unmapRange(machine, from + newLength, from + oldLength, released)
    if (error < 0) return error
    oldLength = newLength
  }
  const vma = checkResize(machine, { ...wanted, oldLength })
  return vma < 0 ? vma : moveVma(machine, { ...wanted, oldLength, vma }, released)
}

/** vma_to_resize. Return: the mapping, or -errno. */
function checkResize(machine: Machine, { from, oldLength, newLength }: Omit<Move, 'vma'>): number {
  const { vmas } = machine
  const vma = vmaAt(machine, from)
  if (vma === 0) return -ErrorNumber.EFAULT
  if (oldLength === 0 && (vmas.flagsOf(vma) & VmaFlag.MayShare) === 0) return -ErrorNumber.EINVAL
  if (oldLength > vmas.endOf(vma) - from) return -ErrorNumber.EFAULT
  if (newLength > TASK_SIZE) return -ErrorNumber.ENOMEM
  const pgoff = vmas.pgoffOf(vma) + (from - vmas.addressOf(vma)) / Page.Size
  return pgoff + newLength / Page.Size > PGOFF_LIMIT ? -ErrorNumber.EINVAL : vma
}

/** Context: `end` is where the part to be resized ends. Return: false when it is not the end, or something is there. */
function growInPlace(machine: Machine, vma: number, end: number, more: number, released: Released): boolean {
  const { vmas } = machine
  if (end !== vmas.endOf(vma) || end > TASK_SIZE - more) return false
  const offset = (vmas.pgoffOf(vma) + vmas.pagesOf(vma)) * Page.Size
  const range = { inode: vmas.inodeOf(vma), flags: vmas.flagsOf(vma), offset, length: more }
  if (mapHostAt(machine, range, end) < 0) return false
  vmas.setPages(vma, vmas.pagesOf(vma) + more / Page.Size)
  joinAround(machine, end + more - 1, end + more, released)
  return true
}

/** move_vma. Return: the new address, or -errno with nothing changed. */
function moveVma(machine: Machine, move: Move, released: Released): number {
  const { vmas, addon } = machine
  const { vma, from, oldLength, newLength } = move
  const inode = vmas.inodeOf(vma)
  const flags = vmas.flagsOf(vma)
  const pgoff = vmas.pgoffOf(vma) + (from - vmas.addressOf(vma)) / Page.Size
  const address = newPlace(machine, move, { inode, flags, offset: pgoff * Page.Size, length: newLength })
  if (address < 0) return address
  const pages = newLength / Page.Size
  const target = insertVma(machine, { inode, flags, pgoff, pages, address, file: vmas.fileOf(vma) })
  if (target < 0) {
    addon.unmap(address, newLength)
    return target
  }
  machine.threads.count(machine.self, Counter.Mappings, 1)
  if (oldLength > 0) {
    // Who faulted goes on before the worker has noted that there is a table: without that its pages would be left
    // behind.
    settle(machine)
    movePageTables(machine, vma, from, address, oldLength)
    if ((move.flags & MremapFlag.DontUnmap) !== 0) addon.dropPages(from, oldLength)
    else unmapRange(machine, from, from + oldLength, released)
  }
  joinAround(machine, address, address + newLength, released)
  return address
}

/**
 * Where the kernel alone chooses, a mapping lies next to others: a small one shares their page tables, so that faults
 * in it are never tried with 2 MiB (a large one is aligned, and begins a table of its own).
 */
function newPlace(machine: Machine, move: Move, range: Parameters<typeof mapHostAt>[1]): number {
  if (move.to !== undefined) {
    const address = mapHostAt(machine, range, move.to)
    return address === -ErrorNumber.EEXIST ? -ErrorNumber.ENOMEM : address
  }
  if ((move.flags & MremapFlag.Fixed) !== 0) return mapHostAnywhere(machine, range, move.misalign)
  const address = mapHostAnywhere(machine, range, range.offset)
  if (address < 0) return address
  machine.slots.touchGib(address)
  if (range.length < Page.PmdSize) {
    machine.slots.set(address, SlotState.Table)
    machine.slots.set(address + range.length - 1, SlotState.Table)
  }
  return address
}

/**
 * move_page_tables. A table or a huge entry moves whole when both places hold all of its 2 MiB; a huge entry that
 * cannot is dropped (FACTS 20); of a table the pages move one by one.
 * Context: address space locked, no fault on either mapping is being served; takes the file's Mmap mutex.
 */
function movePageTables(machine: Machine, vma: number, from: number, to: number, length: number): void {
  const { words, inodes, slots, vmas } = machine
  const readable = makeReadable(machine, vma, from, length)
  const lock = inodes.at(vmas.inodeOf(vma)) + InodeWord.Mmap
  mutexLock(words, lock)
  for (let done = 0; done < length;) {
    const at = from + done
    const room = Math.min(Page.PmdSize - (at % Page.PmdSize), Page.PmdSize - ((to + done) % Page.PmdSize))
    const extent = Math.min(length - done, room)
    const state = slots.get(at)
    if (state !== SlotState.Empty) slots.touchGib(to + done)
    if (state >= SlotState.HugeRead && extent < Page.PmdSize) dropHugeAt(machine, vma, at, Page.Size)
    else if (state !== SlotState.Empty || !machine.hugePages) copyPages(machine, vma, at, to + done, extent)
    if (state !== SlotState.Empty && extent === Page.PmdSize) slots.move(at, to + done)
    else if (state === SlotState.Table) slots.set(to + done, SlotState.Table)
    done += extent
  }
  mutexUnlock(words, lock)
  if (readable) machine.addon.protectPages(from, length, hostProtection(machine, vmas.flagsOf(vma)))
}

/** Copies are read through the old mapping. Return: true when its protection had to be lifted for that. */
function makeReadable(machine: Machine, vma: number, from: number, length: number): boolean {
  const { vmas, addon } = machine
  if (hostProtection(machine, vmas.flagsOf(vma)) !== flag(addon.constants, 'PROT_NONE')) return false
  return addon.protectPages(from, length, flag(addon.constants, 'PROT_READ')) >= 0
}

/** Runs of pages in one state at a time: pages of the file are mapped from the cache, copies are copied. */
function copyPages(machine: Machine, vma: number, from: number, to: number, length: number): void {
  let start = from
  let kind = 0
  const flush = (end: number): void => {
    if (end > start) copyRun(machine, vma, start, to + (start - from), end - start, kind)
    start = end
  }
  for (let at = from; at < from + length; at += Page.PmdSize - (at % Page.PmdSize)) {
    const end = Math.min(from + length, at + Page.PmdSize - (at % Page.PmdSize))
    forEachPage(machine, at, end, (page, _huge, pte) => {
      if (pte === kind) return
      flush(page)
      kind = pte
    })
  }
  flush(from + length)
}

function copyRun(machine: Machine, vma: number, from: number, to: number, length: number, pte: number): Errno {
  const { addon, vmas } = machine
  const uffd = machine.pageTable.uffdOf(vma)
  const shared = (vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
  if ((pte & Pte.Anonymous) !== 0) return addon.resolveCopy(uffd, to, from, length, 0)
  if ((pte & Pte.File) === 0) return 0
  const mode = shared && (pte & Pte.Protected) === 0 ? 0 : RESOLVE_WP
  return addon.resolveContinue(uffd, to, length, mode)
}
