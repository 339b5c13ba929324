/**
 * Where mappings are, and the host's side of them: a mapping of the file's cache, watched by userfaultfd.
 *
 * Mappings get places of our own choosing, from one arena, each in a GiB that nothing else is in: what follows a
 * mapping is unmapped, it can grow in place, and no two mappings share a page table by accident.
 */
import { Page } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import { HeaderWord, type Machine } from '../../fault/machine.js'
import { TRACED_END, TRACED_START } from '../../fault/store-views.js'
import { InodeWord } from '../../mm/inode.js'
import { VmaFlag } from '../../mm/vma.js'
import { flag } from '../pool-directory.js'

const GIB = 2 ** 30
/**
 * 32 TiB to 48 TiB: below position-independent programs, libraries and stacks, above everything at fixed low places.
 * What is traced goes above it, see fault/store-views.ts.
 */
const ARENA_START = 2 ** 45
const ARENA_END = TRACED_START
/** Places tried before the host chooses one: others may have mappings in the arena. */
const ATTEMPTS = 256

/** Next place of this thread, in one arena or the other. Each thread starts elsewhere, so that they seldom meet. */
let nextPlace = 0

export interface HostRange {
  readonly inode: number
  /** VmaFlag bits. */
  readonly flags: number
  /** Bytes, page multiples. */
  readonly offset: number
  readonly length: number
}

/** Map at an address. Return: the address, or -errno: -EEXIST when something of this process is there. */
export function mapHostAt(machine: Machine, range: HostRange, address: number): number {
  const fd = machine.inodes.word(range.inode, InodeWord.CacheFd)
  const { addon } = machine
  const protection = hostProtection(machine, range.flags)
  const mapped = addon.mapAt(fd, range.offset, range.length, protection, isHostShared(range.flags), address)
  if (mapped < 0) return mapped
  const registered = register(machine, range, mapped)
  return registered < 0 ? registered : trace(machine, range, registered)
}

/** Stores to it are traced from here on, if they are the file's. Return: the address, or -errno with nothing mapped. */
function trace(machine: Machine, range: HostRange, address: number): number {
  const { addon, stores } = machine
  if (stores === undefined || !isHostShared(range.flags)) return address
  const error = addon.setTracedRange(address, range.length, stores.log, range.inode, range.offset)
  if (error >= 0) return address
  addon.unmap(address, range.length)
  return error
}

/** Map at a place of our choosing that is congruent to `residue` modulo 2 MiB. Return: the address, or -errno. */
export function mapHostAnywhere(machine: Machine, range: HostRange, residue: number): number {
  const shift = ((residue % Page.PmdSize) + Page.PmdSize) % Page.PmdSize
  const traced = machine.stores !== undefined && isHostShared(range.flags)
  const [first, last] = traced ? [TRACED_START, TRACED_END] : [ARENA_START, ARENA_END]
  if (nextPlace < first || nextPlace >= last) nextPlace = first + (machine.addon.threadId() % 2048) * 4 * GIB
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const address = nextPlace + shift
    const end = address + range.length
    if (end > last) {
      if (range.length > (last - first) / 2) break
      nextPlace = first
      continue
    }
    nextPlace = (Math.floor(end / GIB) + 1) * GIB
    const mapped = mapHostAt(machine, range, address)
    if (mapped !== -ErrorNumber.EEXIST) return mapped
  }
  return mapWhereHostLikes(machine, range, shift)
}

function mapWhereHostLikes(machine: Machine, range: HostRange, shift: number): number {
  const { addon, inodes } = machine
  const fd = inodes.word(range.inode, InodeWord.CacheFd)
  const misalign = (((shift - range.offset) % Page.PmdSize) + Page.PmdSize) % Page.PmdSize
  const protection = hostProtection(machine, range.flags)
  try {
    const shared = isHostShared(range.flags)
    const address = addon.mapAligned(fd, range.offset, range.length, protection, shared, misalign)
    return register(machine, range, address)
  } catch (error) {
    return errnoOf(error)
  }
}

/**
 * The protection the host enforces. Any access includes loads, as on x86 without protection keys; code is never run
 * from emulated memory.
 */
export function hostProtection(machine: Machine, flags: number): number {
  const { constants } = machine.addon
  if ((flags & (VmaFlag.Read | VmaFlag.Write | VmaFlag.Exec)) === 0) return flag(constants, 'PROT_NONE')
  return flag(constants, 'PROT_READ') | ((flags & VmaFlag.Write) !== 0 ? flag(constants, 'PROT_WRITE') : 0)
}

function isHostShared(flags: number): boolean {
  return (flags & VmaFlag.MayShare) !== 0
}

/** The addon's PROTECT_WP. */
const PROTECT_WP = 1

/**
 * From here on faults on it arrive. Of memory that is tracked asynchronously all pages are protected before they are
 * there: without that nobody could tell those that were never mapped from those that went after a store.
 * Return: the address, or -errno with nothing mapped.
 */
function register(machine: Machine, { flags, length }: HostRange, address: number): number {
  const { addon, words } = machine
  const uffd = words.load((flags & VmaFlag.Async) === 0 ? HeaderWord.Uffd : HeaderWord.AsyncUffd)
  const { constants: c } = addon
  const modes = flag(c, 'UFFD_REGISTER_MODE_MISSING') | flag(c, 'UFFD_REGISTER_MODE_MINOR')
  try {
    addon.registerRange(uffd, address, length, modes | flag(c, 'UFFD_REGISTER_MODE_WP'))
    // Without memory for its page tables it is not protected: then syncs find more than they must.
    if ((flags & VmaFlag.Async) !== 0) addon.writeProtect(uffd, address, length, PROTECT_WP)
    return address
  } catch (error) {
    addon.unmap(address, length)
    return errnoOf(error)
  }
}

/** An error of the addon as a number; anything else is a bug. */
function errnoOf(error: unknown): Errno {
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') return -error.errno
  throw error
}
