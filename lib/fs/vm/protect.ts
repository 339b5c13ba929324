/** mprotect. */
import { Page } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { VmaFlag } from '../../mm/vma.js'
import { Prot, TASK_SIZE, isPageAligned, pageAlign } from './abi.js'
import { type Released, changeMappings, findVma, isolate, joinAround } from './address-space.js'
import { hostProtection } from './host-memory.js'
import { accessFlags } from './map.js'

const ACCESS = VmaFlag.Read | VmaFlag.Write | VmaFlag.Exec
const KNOWN = Prot.Read | Prot.Write | Prot.Exec | Prot.Sem

/**
 * mprotect(2), in the order of do_mprotect_pkey: mappings are changed one after the other until one refuses.
 *
 * Page tables stay, so what was writable and dirty is so again when the protection comes back; a huge entry of which
 * only a part changes is dropped (FACTS 20).
 * Return: 0 or -errno: EINVAL, ENOMEM (not mapped, from there on nothing was changed), EACCES (writable, file open for
 * reading).
 */
export function vmMprotect(machine: Machine, address: number, length: number, prot: number): Errno {
  const grows = prot & (Prot.GrowsDown | Prot.GrowsUp)
  if (grows !== 0 || !isPageAligned(address)) return -ErrorNumber.EINVAL
  if (length === 0) return 0
  const end = address + pageAlign(length)
  if (end <= address || end > TASK_SIZE + Page.Size) return -ErrorNumber.ENOMEM
  if ((prot & ~KNOWN) !== 0) return -ErrorNumber.EINVAL
  return changeMappings(machine, (released) => protectLocked(machine, address, end, accessFlags(prot), released))
}

function protectLocked(machine: Machine, start: number, end: number, access: number, released: Released): Errno {
  const { vmas } = machine
  let at = start
  let error: Errno = 0
  while (at < end && error === 0) {
    const vma = findVma(machine, at)
    if (vma === 0 || vmas.addressOf(vma) > at) error = -ErrorNumber.ENOMEM
    else if ((access & VmaFlag.Write) !== 0 && (vmas.flagsOf(vma) & VmaFlag.MayWrite) === 0) error = -ErrorNumber.EACCES
    else {
      const to = Math.min(end, vmas.endOf(vma))
      if ((vmas.flagsOf(vma) & ACCESS) !== access) error = protectOne(machine, at, to, access)
      at = to
    }
  }
  if (at > start) joinAround(machine, start, at, released)
  return error
}

/** Context: [start, end) lies in one mapping. */
function protectOne(machine: Machine, start: number, end: number, access: number): Errno {
  const error = isolate(machine, start, end)
  if (error < 0) return error
  const vma = findVma(machine, start)
  const flags = (machine.vmas.flagsOf(vma) & ~ACCESS) | access
  const refused = machine.addon.protectPages(start, end - start, hostProtection(machine, flags))
  if (refused < 0) return refused
  machine.vmas.setFlags(vma, flags)
  return 0
}
