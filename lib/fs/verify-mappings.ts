/** The check of page tables against entries: nothing is mapped, and nothing writable, that the tree does not know. */
import { Page } from '../constants.js'
import { rootOf } from '../dax/grab-entry.js'
import type { Machine } from '../fault/machine.js'
import { SlotState } from '../mm/slots.js'
import { VmaFlag } from '../mm/vma.js'
import { type Entry, NULL_ENTRY, describeEntry, isData, isPmd, isZero } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { wrong } from './verify-file.js'
import { Pte } from './vm/look.js'

const WINDOW_PAGES = 512

/**
 * Context: frozen, so that the list of mappings stands still; the whole range of the file held exclusively, so that
 * nothing is being mapped. The Mmap mutex need not be held: whoever changes the list is frozen out.
 * Return: pages found mapped. Errors: BugError.
 */
export function verifyMappings(machine: Machine, inode: number): number {
  const { vmas } = machine
  let mapped = 0
  for (let vma = vmas.firstInFile(inode); vma !== 0; vma = vmas.nextInFile(vma)) {
    mapped += verifyPages(machine, inode, vma)
    verifySlots(machine, inode, vma)
  }
  return mapped
}

function verifyPages(machine: Machine, inode: number, vma: number): number {
  const { vmas, addon } = machine
  const entries = new Uint8Array(WINDOW_PAGES)
  const pages = vmas.pagesOf(vma)
  const shared = isShared(machine, vma)
  let mapped = 0
  for (let first = 0; first < pages; first += WINDOW_PAGES) {
    const count = Math.min(WINDOW_PAGES, pages - first)
    const address = vmas.addressOf(vma) + first * Page.Size
    if (addon.pageTableEntries(address, count * Page.Size, entries) < 0) continue
    for (let i = 0; i < count; i++) {
      const pte = entries[i] as number
      if ((pte & (Pte.File | Pte.Anonymous)) === 0) continue
      mapped++
      const page = vmas.pgoffOf(vma) + first + i
      if ((pte & Pte.File) !== 0) verifyPage(machine, inode, vma, page, (pte & Pte.Protected) === 0)
      else if (shared) wrong(machine, inode, `page ${page} of shared mapping ${vma} is a private copy`)
    }
  }
  return mapped
}

/** A page of the file is mapped: somebody must know, and for a writable one the next sync too (S1.3). */
function verifyPage(machine: Machine, inode: number, vma: number, page: number, writable: boolean): void {
  const root = rootOf(machine, inode)
  const entry = machine.tree.load(root, page)
  const what = `page ${page} of mapping ${vma}, entry ${describe(entry)},`
  if (entry === NULL_ENTRY || (!isData(entry) && !isZero(entry))) wrong(machine, inode, `${what} is mapped`)
  if (page >= machine.inodes.pagesOf(inode)) wrong(machine, inode, `${what} is mapped past the end of the file`)
  if (!writable) return
  const noted = machine.vmas.isAsync(vma) || machine.tree.getMark(root, page, Mark.Dirty)
  const known = isShared(machine, vma) && isData(entry) && noted
  if (!known) wrong(machine, inode, `${what} is mapped writable and not DIRTY`)
}

/** What the model calls a huge page has a 2 MiB entry; a writable one a dirty one. */
function verifySlots(machine: Machine, inode: number, vma: number): void {
  const { vmas, slots, tree } = machine
  const root = rootOf(machine, inode)
  const start = vmas.addressOf(vma)
  const end = vmas.endOf(vma)
  for (let at = Math.ceil(start / Page.PmdSize) * Page.PmdSize; at + Page.PmdSize <= end; at += Page.PmdSize) {
    const state = slots.get(at)
    if (state !== SlotState.HugeRead && state !== SlotState.HugeWrite) continue
    const page = vmas.pgoffOf(vma) + (at - start) / Page.Size
    const entry = tree.load(root, page)
    const known = entry !== NULL_ENTRY && isPmd(entry) && (isData(entry) || isZero(entry))
    if (!known) wrong(machine, inode, `huge page ${page} of mapping ${vma} has the entry ${describe(entry)}`)
    if (state === SlotState.HugeWrite && !(isData(entry) && tree.getMark(root, page, Mark.Dirty))) {
      wrong(machine, inode, `huge page ${page} of mapping ${vma} is writable and not DIRTY: ${describe(entry)}`)
    }
  }
}

function isShared(machine: Machine, vma: number): boolean {
  return (machine.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
}

function describe(entry: Entry): string {
  return describeEntry(entry)
}
