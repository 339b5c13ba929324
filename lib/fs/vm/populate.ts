/**
 * Faulting pages in ahead of their use: MAP_POPULATE, mlock, madvise(MADV_POPULATE_…).
 *
 * The calling thread touches what the page tables do not have. These accesses are the kernel's (get_user_pages), so no
 * page_fault event belongs to them, but the fault handlers do all they do.
 */
import { Page } from '../../constants.js'
import { failedFault } from '../../dax/failed-fault.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { SlotState } from '../../mm/slots.js'
import { VmaFlag, VmaWord } from '../../mm/vma.js'
import { AccessMode, ThreadWord } from '../../sync/threads.js'
import { TASK_SIZE, pageAlign } from './abi.js'
import { findVma, vmaAt } from './address-space.js'
import { Pte } from './look.js'

const ACCESS = VmaFlag.Read | VmaFlag.Write | VmaFlag.Exec

/**
 * mlock(2). On DAX it only populates: there is nothing that could be paged out, and the mapping is not marked (FACTS
 * 22).
 * Return: 0 or -errno: ENOMEM (not mapped, or a page that cannot be had, such as one past EOF), EINVAL.
 */
export function vmMlock(machine: Machine, address: number, length: number): Errno {
  const [start, end] = lockedRange(address, length)
  const error = checkMapped(machine, start, end)
  if (error < 0 || start === end) return error
  // The kernel tells mlock's caller of a page that cannot be had as POSIX wants it (__mlock_posix_error_return).
  return populateRange(machine, start, end, false) < 0 ? -ErrorNumber.ENOMEM : 0
}

/** munlock(2). Return: 0 or -errno: ENOMEM (not mapped), EINVAL. */
export function vmMunlock(machine: Machine, address: number, length: number): Errno {
  const [start, end] = lockedRange(address, length)
  return checkMapped(machine, start, end)
}

function lockedRange(address: number, length: number): [start: number, end: number] {
  const start = address - (address % Page.Size)
  return [start, start + pageAlign(length + (address % Page.Size))]
}

function checkMapped(machine: Machine, start: number, end: number): Errno {
  if (end > 2 ** 64) return -ErrorNumber.EINVAL
  let at = start
  while (at < end) {
    const vma = at > TASK_SIZE ? 0 : vmaAt(machine, at)
    if (vma === 0) return -ErrorNumber.ENOMEM
    at = machine.vmas.endOf(vma)
  }
  return 0
}

/**
 * Fault in all of [start, end) (__mm_populate): loads, but stores in private writable mappings, so that they have
 * their copies (FACTS 23). A mapping that fails is left with `ignoreErrors`, else that is the end.
 * Context: the address space is not locked; takes faults. Return: 0 or -errno.
 */
export function populateRange(machine: Machine, start: number, end: number, ignoreErrors: boolean): Errno {
  const { vmas } = machine
  for (let at = start; at < end;) {
    const vma = findVma(machine, at)
    if (vma === 0 || vmas.addressOf(vma) >= end) break
    const from = Math.max(at, vmas.addressOf(vma))
    const to = Math.min(end, vmas.endOf(vma))
    const flags = vmas.flagsOf(vma)
    const write = (flags & (VmaFlag.Write | VmaFlag.Shared)) === VmaFlag.Write
    // Any permission will do, the kernel forces its way; without one there is none (FOLL_FORCE).
    const pages = (flags & ACCESS) === 0 ? -ErrorNumber.EFAULT : touchRange(machine, vma, from, to, write)
    if (pages < 0 && !ignoreErrors) return pages
    at = pages < 0 ? to : from + pages * Page.Size
  }
  return 0
}

/**
 * madvise(MADV_POPULATE_READ or _WRITE) of an aligned range (madvise_populate).
 * Context, Return: as populateRange: 0, EINVAL (the mapping does not allow it), ENOMEM (not mapped), EFAULT.
 */
export function populateAdvised(machine: Machine, start: number, end: number, write: boolean): Errno {
  for (let at = start; at < end;) {
    const pages = touchMappings(machine, at, end, write)
    if (pages < 0) return pages
    at += pages * Page.Size
  }
  return 0
}

/** One run over mappings that follow each other. Return: pages, or -errno when the very first failed. */
function touchMappings(machine: Machine, start: number, end: number, write: boolean): number {
  let at = start
  let error: Errno = 0
  while (at < end && error === 0) {
    const vma = vmaAt(machine, at)
    const needed = write ? VmaFlag.Write : VmaFlag.Read
    if (vma === 0) error = -ErrorNumber.ENOMEM
    else if ((machine.vmas.flagsOf(vma) & needed) === 0) error = -ErrorNumber.EINVAL
    else {
      const to = Math.min(end, machine.vmas.endOf(vma))
      const pages = touchRange(machine, vma, at, to, write)
      if (pages < 0) error = pages
      else at += pages * Page.Size
      if (at < to) break
    }
  }
  return at > start ? (at - start) / Page.Size : error
}

/**
 * Touch [start, end) of a mapping page by page until one fails (__get_user_pages). A caller that wants the rest asks
 * again from there, and meets the failure a second time: the kernel does so too, and traces show it.
 * Return: pages present now, or -EFAULT when the very first failed.
 */
function touchRange(machine: Machine, vma: number, start: number, end: number, write: boolean): number {
  const mode = machine.threads.at(machine.self) + ThreadWord.AccessMode
  const before = machine.words.exchange(mode, AccessMode.Populate)
  try {
    let at = start
    while (at < end) {
      const next = skipHuge(machine, at, end, write)
      if (next > at) at = next
      else if (touchPage(machine, vma, at, write)) at += Page.Size
      else break
    }
    return at > start ? (at - start) / Page.Size : -ErrorNumber.EFAULT
  } finally {
    machine.words.store(mode, before)
  }
}

/** Return: the end of what a huge entry maps already, or `at`. */
function skipHuge(machine: Machine, at: number, end: number, write: boolean): number {
  if (!machine.hugePages) return at
  const slot = machine.slots.get(at)
  if (slot !== SlotState.HugeWrite && (slot !== SlotState.HugeRead || write)) return at
  return Math.min(end, at - (at % Page.PmdSize) + Page.PmdSize)
}

function touchPage(machine: Machine, vma: number, address: number, write: boolean): boolean {
  const { vmas, inodes, addon } = machine
  const pgoff = vmas.pgoffOf(vma) + (address - vmas.addressOf(vma)) / Page.Size
  if (pgoff < inodes.pagesOf(vmas.inodeOf(vma)) && addon.touchPages(address, Page.Size, write) === 0) return true
  accessFailed(machine, address, write)
  return false
}

/**
 * For whoever caught the SIGBUS of an access to a mapping: have the failed fault traced and timed if the host answered
 * it alone (past EOF), and let the page be asked for again next time: space may be free, the file longer by then.
 *
 * Context: the thread that made the access, in the AccessMode it made it in.
 */
export function accessFailed(machine: Machine, address: number, write: boolean): void {
  const vma = vmaAt(machine, address)
  if (vma === 0) return
  settle(machine, vma)
  failedFault(machine, vma, address, write)
  const page = address - (address % Page.Size)
  const pte = new Uint8Array(1)
  machine.addon.pageTableEntries(page, Page.Size, pte)
  // Poison is not present; what is present may be a private copy, and answers to another access.
  if (((pte[0] as number) & (Pte.File | Pte.Anonymous)) !== 0) return
  machine.addon.dropPages(page, Page.Size)
  if ((machine.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) machine.slots.takeFailed(page, Page.Size)
}

/** Nobody tells when the last fault on a mapping in service is done, so it is looked up this often. */
const SETTLE_MILLISECONDS = 0.2

/** Who faulted goes on as soon as its page is there, while the worker still has events to write. */
function settle(machine: Machine, vma: number): void {
  const { words, vmas } = machine
  const users = vmas.at(vma) + VmaWord.Users
  for (let count = words.load(users); count !== 0; count = words.load(users)) {
    words.wait(users, count, SETTLE_MILLISECONDS)
  }
}
