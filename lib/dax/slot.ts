/** The 2 MiB slot of an address in a mapping: mm/slots.ts as fault handling uses it. */
import { Page } from '../constants.js'
import { SlotState } from '../mm/slots.js'
import type { Kernel } from './kernel.js'

export function slotOf(kernel: Kernel, _vma: number, address: number): SlotState {
  return kernel.slots.get(address)
}

/** A model that cannot be written down is given up for this slot: it stays, or becomes, what a 4 KiB fault leaves. */
export function setSlot(kernel: Kernel, _vma: number, address: number, state: SlotState): void {
  kernel.slots.set(address, state)
}

/** Return: true when nothing was ever tried in this GiB. */
export function touchGib(kernel: Kernel, _vma: number, address: number): boolean {
  return kernel.slots.touchGib(address)
}

/** Split a huge entry of the mapping: all of it is unmapped, and a table takes its place (split_huge_pmd). */
export function splitHuge(kernel: Kernel, vma: number, address: number): void {
  const start = address - (address % Page.PmdSize)
  kernel.pageTable.unmapRange(vma, start, Page.PmdSize)
  setSlot(kernel, vma, start, SlotState.Empty)
}
