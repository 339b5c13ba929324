/** mmap and munmap. */
import { Page, PGOFF_LIMIT } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { BlockState } from '../../media/block-map.js'
import { InodeWord } from '../../mm/inode.js'
import { VmaFlag } from '../../mm/vma.js'
import { Counter } from '../../stats.js'
import { mutexLock, mutexUnlock } from '../../sync/mutex.js'
import { MapFlag, Prot, TASK_SIZE, VALID_FLAGS, isPageAligned, pageAlign } from './abi.js'
import { type Released, changeMappings, insertVma, joinAround, unmapRange, vmasIn } from './address-space.js'
import { mapHostAnywhere, mapHostAt } from './host-memory.js'
import { populateRange } from './populate.js'

export interface MmapRequest {
  readonly inode: number
  /** How the file is open. */
  readonly access: 'r' | 'w' | 'rw'
  /** Bytes in the file. */
  readonly offset: number
  /** Bytes, as the caller gave them; a negative number is a size_t beyond all memory. */
  readonly length: number
  /** Prot bits and MapFlag bits, as Linux numbers them. */
  readonly prot: number
  readonly flags: number
  /** With MAP_FIXED where it goes, else a hint. Default: a place of its own, congruent to the offset modulo 2 MiB. */
  readonly address?: number
  /** Without an address: bytes to be off from that. */
  readonly misalign?: number
  /** Which open file: mappings of different ones are never joined. Default 0. */
  readonly file?: number
}

/**
 * mmap(2) of a DAX file, errors in the order of do_mmap.
 *
 * Context: takes the address space; populating takes faults as a thread of its own does.
 * Return: the address, or -errno: EINVAL (length 0, offset or fixed address not a page multiple, no or an unknown
 * type, MAP_HUGETLB, MAP_GROWSDOWN, MAP_ANONYMOUS), ENOMEM (no such room, maxMappings), EEXIST (MAP_FIXED_NOREPLACE),
 * EOVERFLOW (beyond the largest file), EOPNOTSUPP (MAP_SHARED_VALIDATE with bits unknown to it), EACCES (the file is
 * not open for that). A fixed address over memory that is not emulated is ENOMEM.
 */
export function vmMmap(machine: Machine, request: MmapRequest): number {
  const { flags } = request
  const wrong = checkPlace(machine, request) || checkFile(request)
  if (wrong < 0) return wrong
  const length = pageAlign(request.length)
  const address = changeMappings(machine, (released) => mapLocked(machine, request, length, released))
  const populates = (flags & (MapFlag.Populate | MapFlag.NonBlock)) === MapFlag.Populate
  // MAP_LOCKED maps everything too, though DAX memory is never locked (FACTS 22). Failures are not reported.
  if (address >= 0 && (populates || (flags & MapFlag.Locked) !== 0)) {
    populateRange(machine, address, address + length, true)
  }
  return address
}

/**
 * munmap(2). Context: takes the address space; waits for faults being served.
 * Return: 0, also when nothing was mapped there, or -errno: EINVAL, ENOMEM (no record for a piece).
 */
export function vmMunmap(machine: Machine, address: number, length: number): Errno {
  if (!isPageAligned(address) || length < 0 || address > TASK_SIZE || length > TASK_SIZE - address || length === 0) {
    return -ErrorNumber.EINVAL
  }
  const end = address + pageAlign(length)
  return changeMappings(machine, (released) => unmapRange(machine, address, end, released))
}

/** What do_mmap asks of address and length, before it looks at the file. */
function checkPlace(machine: Machine, request: MmapRequest): Errno {
  const { flags, offset, address } = request
  if (!isPageAligned(offset) || (flags & (MapFlag.HugeTlb | MapFlag.Anonymous)) !== 0) return -ErrorNumber.EINVAL
  if (request.length === 0) return -ErrorNumber.EINVAL
  const length = pageAlign(request.length)
  if (length === 0 || length > TASK_SIZE) return -ErrorNumber.ENOMEM
  if (isFixed(flags)) {
    if (address === undefined || !isPageAligned(address)) return -ErrorNumber.EINVAL
    if (address < 0 || address > TASK_SIZE - length) return -ErrorNumber.ENOMEM
    const taken = (flags & MapFlag.FixedNoReplace) !== 0 && vmasIn(machine, address, address + length).length > 0
    if (taken) return -ErrorNumber.EEXIST
  }
  // The kernel's limit is 2^63 bytes; ours is the page number of 32 bits, which is the largest file there is here.
  return offset < 0 || (offset + length) / Page.Size > PGOFF_LIMIT ? -ErrorNumber.EOVERFLOW : 0
}

/** What it asks of the file, by type. */
function checkFile({ flags, prot, access }: MmapRequest): Errno {
  const type = flags & MapFlag.Type
  if (type === MapFlag.SharedValidate && (flags & ~VALID_FLAGS) !== 0) return -ErrorNumber.EOPNOTSUPP
  if (type === MapFlag.SharedValidate || type === MapFlag.Shared) {
    if ((prot & Prot.Write) !== 0 && !access.includes('w')) return -ErrorNumber.EACCES
  } else if (type !== MapFlag.Private) {
    return -ErrorNumber.EINVAL
  }
  if (!access.includes('r')) return -ErrorNumber.EACCES
  return (flags & MapFlag.GrowsDown) !== 0 ? -ErrorNumber.EINVAL : 0
}

/** Address first, then registration, then the table: a mapping in the table is one whose faults arrive. */
function mapLocked(machine: Machine, request: MmapRequest, length: number, released: Released): number {
  const { inode, offset, file } = request
  const flags = vmaFlags(request) | trackingFlag(machine, request, length)
  const range = { inode, offset, length, flags }
  const address = place(machine, request, range.length, released, range.flags)
  if (address < 0) return address
  const pgoff = offset / Page.Size
  const pages = length / Page.Size
  const vma = insertVma(machine, { inode, flags: range.flags, pgoff, pages, address, file: file ?? 0 })
  if (vma < 0) {
    machine.addon.unmap(address, length)
    return vma
  }
  machine.threads.count(machine.self, Counter.Mappings, 1)
  if (request.address !== undefined) joinAround(machine, address, address + length, released)
  return address
}

function place(machine: Machine, request: MmapRequest, length: number, released: Released, flags: number): number {
  const { inode, offset, address: wanted, misalign = 0 } = request
  const range = { inode, flags, offset, length }
  if (isFixed(request.flags) && wanted !== undefined) {
    const error = unmapRange(machine, wanted, wanted + length, released)
    if (error < 0) return error
    const address = mapHostAt(machine, range, wanted)
    return address === -ErrorNumber.EEXIST ? -ErrorNumber.ENOMEM : address
  }
  if (wanted !== undefined && wanted > 0 && wanted <= TASK_SIZE - length) {
    const address = mapHostAt(machine, range, wanted - (wanted % Page.Size))
    if (address !== -ErrorNumber.EEXIST) return address
  }
  return mapHostAnywhere(machine, range, offset + misalign)
}

/**
 * Mount option dirtyTracking: a mapping can be tracked asynchronously if it is the file's own memory, no store has to
 * wait for metadata, and no page of it is a hole: the load of one would have to allocate it (dax/collect-stores.ts).
 */
function trackingFlag(machine: Machine, request: MmapRequest, length: number): number {
  const flags = vmaFlags(request)
  if (!machine.handle.config.asyncTracking || (flags & VmaFlag.Shared) === 0 || (flags & VmaFlag.Sync) !== 0) return 0
  const first = request.offset / Page.Size
  return hasBlocks(machine, request.inode, first, first + length / Page.Size) ? VmaFlag.Async : 0
}

/** Context: takes ilock. */
function hasBlocks(machine: Machine, inode: number, first: number, end: number): boolean {
  const { words, blocks, blockCursor, inodes } = machine
  const at = inodes.at(inode)
  if (end > inodes.pagesOf(inode)) return false
  mutexLock(words, at + InodeWord.Blocks)
  let page = first
  while (page < end && blocks.lookup(at + InodeWord.BlockRoot, page, blockCursor) !== BlockState.Hole) {
    page += blockCursor.pages
  }
  mutexUnlock(words, at + InodeWord.Blocks)
  return page >= end
}

function isFixed(flags: number): boolean {
  return (flags & (MapFlag.Fixed | MapFlag.FixedNoReplace)) !== 0
}

/** MAP_SYNC is taken with every type; a private mapping has no use for it (FACTS 9). */
function vmaFlags({ prot, flags, access }: MmapRequest): number {
  let bits = accessFlags(prot)
  if ((flags & MapFlag.NoReserve) !== 0) bits |= VmaFlag.NoReserve
  if ((flags & MapFlag.Type) === MapFlag.Private) return bits | VmaFlag.MayWrite
  bits |= VmaFlag.MayShare
  if ((flags & MapFlag.Sync) !== 0) bits |= VmaFlag.Sync
  return access.includes('w') ? bits | VmaFlag.Shared | VmaFlag.MayWrite : bits
}

/** The VmaFlag bits of Prot bits. */
export function accessFlags(prot: number): number {
  let bits = 0
  if ((prot & Prot.Read) !== 0) bits |= VmaFlag.Read
  if ((prot & Prot.Write) !== 0) bits |= VmaFlag.Write
  if ((prot & Prot.Exec) !== 0) bits |= VmaFlag.Exec
  return bits
}
