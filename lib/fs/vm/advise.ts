/** madvise. */
import { Page } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { VmaFlag } from '../../mm/vma.js'
import { Fallocate, fallocateFile } from '../fallocate.js'
import { Advice, TASK_SIZE, isPageAligned, pageAlign } from './abi.js'
import { changeMappings, dropHugeAt, findVma, isolate, joinAround } from './address-space.js'
import { populateAdvised } from './populate.js'

/** Advice that only sets and clears flags of mappings. */
const FLAG_CHANGES: ReadonlyMap<number, { readonly set: number; readonly clear: number }> = new Map([
  [Advice.Normal, { set: 0, clear: VmaFlag.Random | VmaFlag.Sequential }],
  [Advice.Random, { set: VmaFlag.Random, clear: VmaFlag.Sequential }],
  [Advice.Sequential, { set: VmaFlag.Sequential, clear: VmaFlag.Random }],
  [Advice.DontFork, { set: VmaFlag.DontFork, clear: 0 }],
  [Advice.DoFork, { set: 0, clear: VmaFlag.DontFork }],
  [Advice.HugePage, { set: 0, clear: VmaFlag.NoHuge }],
  [Advice.NoHugePage, { set: VmaFlag.NoHuge, clear: 0 }],
  [Advice.DontDump, { set: VmaFlag.DontDump, clear: 0 }],
  [Advice.DoDump, { set: 0, clear: VmaFlag.DontDump }],
])

/** Good advice that DAX memory has no use for: it cannot be read ahead, merged, or paged out. */
const NO_EFFECT: ReadonlySet<number> = new Set([
  Advice.WillNeed,
  Advice.Mergeable,
  Advice.Unmergeable,
  Advice.KeepOnFork,
  Advice.Cold,
  Advice.PageOut,
])

/** For anonymous memory, or for page caches: EINVAL here (FACTS 25). */
const REFUSED: ReadonlySet<number> = new Set([Advice.Free, Advice.WipeOnFork, Advice.Collapse])

const OTHERS: ReadonlySet<number> = new Set([
  Advice.DontNeed,
  Advice.DontNeedLocked,
  Advice.Remove,
  Advice.PopulateRead,
  Advice.PopulateWrite,
  Advice.HwPoison,
  Advice.SoftOffline,
])

/**
 * madvise(2), in the order of do_madvise. Advice is followed for what is mapped, also when a part is not.
 *
 * Context: takes the address space; MADV_REMOVE and MADV_POPULATE_… work without it, as fallocate and as faults do.
 * Return: 0 or -errno: EINVAL (unknown, alignment, not for this memory), ENOMEM (a part is not mapped), EACCES
 * (MADV_REMOVE of a mapping that is private or cannot be written), EFAULT (MADV_POPULATE_…: SIGBUS), EPERM (poisoning
 * by madvise wants a privilege nobody has here), ENOSPC… of fallocate.
 */
export function vmMadvise(machine: Machine, address: number, length: number, advice: number): Errno {
  const known = FLAG_CHANGES.has(advice) || NO_EFFECT.has(advice) || REFUSED.has(advice) || OTHERS.has(advice)
  if (!known || !isPageAligned(address)) return -ErrorNumber.EINVAL
  const bytes = pageAlign(length)
  if (length !== 0 && bytes === 0) return -ErrorNumber.EINVAL
  const end = address + bytes
  if (end > 2 ** 64) return -ErrorNumber.EINVAL
  if (end === address) return 0
  if (advice === Advice.HwPoison || advice === Advice.SoftOffline) return -ErrorNumber.EPERM
  if (advice === Advice.PopulateRead || advice === Advice.PopulateWrite) {
    return populateAdvised(machine, address, end, advice === Advice.PopulateWrite)
  }
  return adviseMappings(machine, address, end, (vma, from, to) => adviseOne(machine, vma, from, to, advice))
}

/** madvise_walk_vmas: a hole is remembered, an error is the end. */
function adviseMappings(
  machine: Machine,
  start: number,
  end: number,
  visit: (vma: number, from: number, to: number) => Errno,
): Errno {
  const { vmas } = machine
  let unmapped: Errno = 0
  for (let at = start; at < end;) {
    const vma = at > TASK_SIZE ? 0 : findVma(machine, at)
    if (vma === 0) return -ErrorNumber.ENOMEM
    if (vmas.addressOf(vma) > at) {
      unmapped = -ErrorNumber.ENOMEM
      at = vmas.addressOf(vma)
      if (at >= end) break
    }
    const to = Math.min(end, vmas.endOf(vma))
    const error = visit(vma, at, to)
    if (error < 0) return error
    at = to
  }
  return unmapped
}

function adviseOne(machine: Machine, vma: number, from: number, to: number, advice: number): Errno {
  if (REFUSED.has(advice)) return -ErrorNumber.EINVAL
  if (advice === Advice.Remove) return removePages(machine, vma, from, to)
  if (advice === Advice.DontNeed || advice === Advice.DontNeedLocked) return dropRange(machine, vma, from, to)
  const change = FLAG_CHANGES.get(advice)
  return change === undefined ? 0 : changeFlags(machine, from, to, change.set, change.clear)
}

/**
 * The page tables of the range are emptied, private copies included; huge entries it touches go whole, but the slot is
 * empty then, and the next fault may be one of 2 MiB again (FACTS 20).
 */
function dropRange(machine: Machine, vma: number, from: number, to: number): Errno {
  dropHugeAt(machine, vma, from, to - from)
  return machine.addon.dropPages(from, to - from)
}

/** MADV_REMOVE is fallocate(PUNCH_HOLE), of what could be made writable; it need not be so now (FACTS 25). */
function removePages(machine: Machine, vma: number, from: number, to: number): Errno {
  const { vmas } = machine
  const needed = VmaFlag.Shared | VmaFlag.MayWrite
  if ((vmas.flagsOf(vma) & needed) !== needed) return -ErrorNumber.EACCES
  const offset = vmas.pgoffOf(vma) * Page.Size + (from - vmas.addressOf(vma))
  return fallocateFile(machine, vmas.inodeOf(vma), Fallocate.PunchHole | Fallocate.KeepSize, offset, to - from)
}

function changeFlags(machine: Machine, from: number, to: number, set: number, clear: number): Errno {
  const { vmas } = machine
  return changeMappings(machine, (released) => {
    const before = vmas.flagsOf(findVma(machine, from))
    const after = (before & ~clear) | set
    if (after === before) return 0
    const error = isolate(machine, from, to)
    if (error < 0) return error
    vmas.setFlags(findVma(machine, from), after)
    joinAround(machine, from, to, released)
    return 0
  })
}
