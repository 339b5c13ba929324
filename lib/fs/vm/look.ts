/**
 * Looking at page tables without touching them: mincore, and what /proc/self/pagemap would say of the emulated kernel.
 */
import { Page } from '../../constants.js'
import { lockPages, rootOf, unlockPages } from '../../dax/grab-entry.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { SlotState } from '../../mm/slots.js'
import { isZero } from '../../tree/entry.js'
import { TASK_SIZE, isPageAligned, pageAlign } from './abi.js'
import { vmaAt } from './address-space.js'

/** Bits of the addon's pageTableEntries, compared by test/fs/vm-look.test.ts. */
export const enum Pte {
  File = 1,
  Anonymous = 2,
  /** userfaultfd's write protection. */
  Protected = 4,
}

const SCAN_PAGES = 512

/**
 * mincore(2): 1 for each page this mapping has mapped, the zero page too. DAX has no page cache, so data nobody has
 * touched through the mapping is 0 (FACTS 25).
 *
 * out: one byte a page; what comes before an unmapped part is filled in.
 * Return: 0 or -errno: EINVAL (alignment), ENOMEM (not mapped), EFAULT (out too short).
 */
export function vmMincore(machine: Machine, address: number, length: number, out: Uint8Array): Errno {
  if (!isPageAligned(address)) return -ErrorNumber.EINVAL
  if (length < 0 || length > TASK_SIZE - address) return -ErrorNumber.ENOMEM
  const end = address + pageAlign(length)
  if (out.length < (end - address) / Page.Size) return -ErrorNumber.EFAULT
  for (let at = address; at < end;) {
    const vma = vmaAt(machine, at)
    if (vma === 0) return -ErrorNumber.ENOMEM
    const to = Math.min(end, machine.vmas.endOf(vma))
    forEachPage(machine, at, to, (page, huge, pte) => {
      out[(page - address) / Page.Size] = huge || (pte & (Pte.File | Pte.Anonymous)) !== 0 ? 1 : 0
    })
    at = to
  }
  return 0
}

/**
 * The page tables of a range, one letter a page: `.` not present or not mapped, `z` zero page, `Z` huge zero page, `d`
 * data, `a` private copy. Context: touches nothing.
 */
export function vmPages(machine: Machine, address: number, length: number): string {
  const end = address + pageAlign(length)
  let letters = ''
  for (let at = address; at < end; at += Page.Size) {
    const vma = vmaAt(machine, at)
    if (vma === 0) {
      letters += '.'
      continue
    }
    const to = Math.min(end, machine.vmas.endOf(vma))
    forEachPage(machine, at, to, (page, huge, pte) => {
      letters += letterOf(machine, vma, page, huge, pte)
    })
    at = to - Page.Size
  }
  return letters
}

function letterOf(machine: Machine, vma: number, page: number, huge: boolean, pte: number): string {
  if (!huge && (pte & Pte.Anonymous) !== 0) return 'a'
  if (!huge && (pte & Pte.File) === 0) return '.'
  const { vmas, tree } = machine
  const inode = vmas.inodeOf(vma)
  lockPages(machine, inode)
  const entry = tree.load(rootOf(machine, inode), vmas.pgoffOf(vma) + (page - vmas.addressOf(vma)) / Page.Size)
  unlockPages(machine, inode)
  if (!isZero(entry)) return 'd'
  return huge ? 'Z' : 'z'
}

/** visit: address, whether a huge entry maps it, Pte bits of the host. Context: [start, end) is in one mapping. */
export function forEachPage(
  machine: Machine,
  start: number,
  end: number,
  visit: (page: number, huge: boolean, pte: number) => void,
): void {
  const entries = new Uint8Array(SCAN_PAGES)
  for (let at = start; at < end;) {
    // Up to the next 2 MiB boundary: one slot.
    const to = Math.min(end, at - (at % Page.PmdSize) + Page.PmdSize)
    const huge = machine.hugePages && machine.slots.get(at) >= SlotState.HugeRead
    if (!huge && machine.addon.pageTableEntries(at, to - at, entries) < 0) entries.fill(0)
    for (let page = at; page < to; page += Page.Size) visit(page, huge, entries[(page - at) / Page.Size] as number)
    at = to
  }
}
