/**
 * The address space as the memory-management calls see it: mappings in order of address, cut where a call begins and
 * ends, and joined again when they say the same.
 *
 * What keeps other threads right while a mapping changes shape, without stopping them:
 *   cut      a mapping of the tail is entered first, then the old one is shortened, in one store: a page is in two
 *            records for a moment, never in none, so no writeback and no truncate misses it
 *   join     the other way round: the first grows, then the second retires, waiting for faults being served on it
 *   change   flags are one word
 *   unmap    retire first, then the host's mapping goes, then the record is free: no fault is resolved into addresses
 *            that have become something else
 * A fault that loses its mapping on the way finds none, or a piece, and is simply retried by the host.
 */
import { Page } from '../../constants.js'
import { collectStores } from '../../dax/collect-stores.js'
import { type Errno, PmemError } from '../../errors.js'
import { HeaderWord, type Machine, isDead } from '../../fault/machine.js'
import { type NewVma, VmaFlag } from '../../mm/vma.js'
import { Counter } from '../../stats.js'
import { mutexLock, mutexUnlock } from '../../sync/mutex.js'
import { holdInode, putInode } from '../inode-cache.js'
import { hostProtection } from './host-memory.js'

/** Inodes that mappings which are gone referred to: given back when the address space is unlocked again. */
export type Released = number[]

/**
 * Run a call that changes mappings (mmap_lock held for writing). Nobody who holds it takes a page fault: faults being
 * served are waited for, and their handlers never ask for it.
 *
 * Context: may sleep; outside all other locks but freeze.
 */
export function changeMappings(machine: Machine, change: (released: Released) => number): number {
  const released: Released = []
  mutexLock(machine.words, HeaderWord.AddressSpace)
  try {
    return change(released)
  } finally {
    mutexUnlock(machine.words, HeaderWord.AddressSpace)
    for (const inode of released) putInode(machine, inode)
  }
}

/** The mapping of an address, or 0 (vma_lookup). */
export function vmaAt(machine: Machine, address: number): number {
  const vma = findVma(machine, address)
  return vma !== 0 && machine.vmas.addressOf(vma) <= address ? vma : 0
}

/** The first mapping that ends after an address, or 0 (find_vma). */
export function findVma(machine: Machine, address: number): number {
  const { vmas } = machine
  let found = 0
  for (let id = 1; id <= vmas.highest; id++) {
    if (!vmas.isLive(id) || vmas.endOf(id) <= address) continue
    if (found === 0 || vmas.addressOf(id) < vmas.addressOf(found)) found = id
  }
  return found
}

/** The mappings that overlap [start, end), in order. */
export function vmasIn(machine: Machine, start: number, end: number): number[] {
  const { vmas } = machine
  const found: number[] = []
  for (let id = 1; id <= vmas.highest; id++) {
    if (vmas.isLive(id) && vmas.addressOf(id) < end && vmas.endOf(id) > start) found.push(id)
  }
  return found.sort((a, b) => vmas.addressOf(a) - vmas.addressOf(b))
}

/** Enter a mapping, with a reference on its inode. Return: its id, or -ENOMEM (mount option maxMappings). */
export function insertVma(machine: Machine, vma: NewVma): number {
  try {
    const id = machine.vmas.insert(vma)
    holdInode(machine, vma.inode)
    return id
  } catch (error) {
    if (error instanceof PmemError) return -error.errno
    throw error
  }
}

/**
 * Cut a mapping in two at an address inside it; at its ends nothing happens. A huge entry across the cut is dropped
 * from the page table (vma_adjust_trans_huge; FACTS 20).
 * Context: address space locked. Return: 0 or -ENOMEM.
 */
export function splitAt(machine: Machine, vma: number, address: number): Errno {
  const { vmas } = machine
  const start = vmas.addressOf(vma)
  if (address <= start || address >= vmas.endOf(vma)) return 0
  if (address % Page.PmdSize !== 0) dropHugeAt(machine, vma, address, Page.Size)
  const head = (address - start) / Page.Size
  const tail = insertVma(machine, {
    inode: vmas.inodeOf(vma),
    flags: vmas.flagsOf(vma),
    file: vmas.fileOf(vma),
    pgoff: vmas.pgoffOf(vma) + head,
    pages: vmas.pagesOf(vma) - head,
    address,
  })
  if (tail < 0) return tail
  vmas.setPages(vma, head)
  return 0
}

/** Cut so that [start, end) consists of whole mappings. Return: 0 or -ENOMEM, before or after the first cut. */
export function isolate(machine: Machine, start: number, end: number): Errno {
  for (const at of [start, end]) {
    const vma = vmaAt(machine, at)
    const error = vma === 0 ? 0 : splitAt(machine, vma, at)
    if (error < 0) return error
  }
  return 0
}

/**
 * Join neighbours in and around [start, end) that are one mapping in all but name (vma_merge): same open file, same
 * flags, offsets that go on. A 2 MiB fault needs one mapping over its 2 MiB, so this is seen from outside.
 * Context: address space locked; may sleep until faults on the second of two are served.
 */
export function joinAround(machine: Machine, start: number, end: number, released: Released): void {
  const { vmas } = machine
  let first = 0
  for (const vma of vmasIn(machine, start - 1, end + 1)) {
    if (first === 0 || !goesOn(machine, first, vma)) {
      first = vma
      continue
    }
    vmas.setPages(first, vmas.pagesOf(first) + vmas.pagesOf(vma))
    vmas.retire(vma)
    vmas.release(vma)
    released.push(vmas.inodeOf(vma))
  }
}

function goesOn(machine: Machine, first: number, second: number): boolean {
  const { vmas } = machine
  return (
    vmas.endOf(first) === vmas.addressOf(second) &&
    vmas.inodeOf(first) === vmas.inodeOf(second) &&
    vmas.fileOf(first) === vmas.fileOf(second) &&
    vmas.flagsOf(first) === vmas.flagsOf(second) &&
    vmas.pgoffOf(first) + vmas.pagesOf(first) === vmas.pgoffOf(second)
  )
}

/** Drop the huge entries that a range touches, and what the host has mapped of them: the slots are empty then. */
export function dropHugeAt(machine: Machine, vma: number, address: number, length: number): void {
  machine.slots.dropHuge(address, length, (start, bytes) => {
    machine.pageTable.unmapRange(vma, start, bytes)
  })
}

/**
 * Unmap every page of [start, end) (do_munmap). What is not mapped there does not matter.
 *
 * A mount that died may have a fault handler for ever in the middle of a fault: the memory goes all the same.
 * Context: address space locked; waits for faults being served. Return: 0 or -ENOMEM with nothing unmapped.
 */
export function unmapRange(machine: Machine, start: number, end: number, released: Released): Errno {
  const { vmas, addon, words } = machine
  const error = isolate(machine, start, end)
  if (error < 0) return error
  const gone = vmasIn(machine, start, end)
  for (const vma of gone) {
    try {
      if (vmas.isAsync(vma)) endStores(machine, vma)
      vmas.retire(vma)
    } catch (failure) {
      if (!isDead(words)) throw failure
    }
    addon.unmap(vmas.addressOf(vma), vmas.pagesOf(vma) * Page.Size)
    machine.threads.count(machine.self, Counter.Unmappings, 1)
  }
  if (gone.length > 0) forgetTables(machine, gone)
  for (const vma of gone) {
    released.push(vmas.inodeOf(vma))
    vmas.release(vma)
  }
  return 0
}

/**
 * What was stored through a mapping that is tracked asynchronously is known to its page table alone, which is about to
 * go. From here on a store to it is a SIGSEGV; faults that are being served may still map a page, but not for a store.
 */
function endStores(machine: Machine, vma: number): void {
  const { vmas, addon } = machine
  const flags = vmas.flagsOf(vma)
  const length = vmas.pagesOf(vma) * Page.Size
  if ((flags & VmaFlag.Write) !== 0) {
    addon.protectPages(vmas.addressOf(vma), length, hostProtection(machine, flags & ~VmaFlag.Write))
  }
  const first = vmas.pgoffOf(vma)
  collectStores(machine, vmas.inodeOf(vma), first, first + vmas.pagesOf(vma) - 1)
}

/** Context: the mappings are retired: what is live are their neighbours. */
function forgetTables(machine: Machine, gone: readonly number[]): void {
  const { vmas } = machine
  const start = vmas.addressOf(gone[0] as number)
  const end = vmas.endOf(gone[gone.length - 1] as number)
  const next = findVma(machine, end)
  let floor = 0
  for (let id = 1; id <= vmas.highest; id++) {
    if (vmas.isLive(id) && vmas.endOf(id) <= start) floor = Math.max(floor, vmas.endOf(id))
  }
  machine.slots.forget(start, end, floor, next === 0 ? Infinity : vmas.addressOf(next))
}
