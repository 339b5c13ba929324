/**
 * read(2) and write(2) (dax_iomap_rw; K103–K107), coherent with every mapping because they work on the same cache.
 *
 * Neither puts entries into the tree or dirt on them (K74, K106): write's stores are non-temporal, on their way to
 * media at once, and durable at the next sync of the file. The user's buffer may itself be a mapping of the same file,
 * so copying may fault, and no entry lock is held while it does (K105).
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { isBadPage, mayHaveBadBlocks, noteBadBlocks } from '../dax/bad-blocks.js'
import { allocateBlock } from '../dax/blocks.js'
import { grabEntry, unlockEntry } from '../dax/grab-entry.js'
import { LAST_INDEX, invalidateRange, removeLockedEntry } from '../dax/invalidate.js'
import { repairBlocks } from '../dax/poison-blocks.js'
import { traceFile } from '../dax/trace.js'
import { noteUnfenced } from '../dax/unfenced-writes.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { settle } from '../fault/settle.js'
import { BlockState } from '../media/block-map.js'
import { BAD_BLOCKS_PER_PAGE } from '../media/page-poison.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { Counter } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { AccessMode, ThreadWord } from '../sync/threads.js'
import { readLock, readUnlock, writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { errnoOf, isEmpty, isErrorEntry } from '../tree/entry.js'
import { Trace } from '../trace/tracepoints.js'
import { readableBytes, writableBytes } from './bad-pages.js'
import { cutMedia } from './media-size.js'
import { TO_END, cutPages, extendFile } from './set-size.js'
import { accessFailed } from './vm/populate.js'

/** Bytes looked at in one go: residency is asked for this much at a time. */
const CHUNK = 1 << 20

/**
 * Copy bytes of the file to memory. Stops at EOF (K103).
 *
 * address: of the caller's buffer; it may be a mapping.
 * Context: takes i_rwsem shared; the copy may fault and sleep.
 * Return: bytes read, short at EOF, before an extent with a bad page in what is asked of it (K107), at a bad page
 * nobody knew of, or where the buffer cannot be written; -EIO or -EFAULT when that was the first byte.
 */
export function readBytes(machine: Machine, inode: number, address: number, length: number, offset: number): Errno {
  const rwsem = machine.inodes.at(inode) + InodeWord.Rwsem
  readLock(machine.words, rwsem)
  const mode = machine.threads.at(machine.self) + ThreadWord.AccessMode
  machine.words.store(mode, AccessMode.Kernel)
  try {
    const last = Math.min(offset + length, machine.inodes.sizeOf(inode))
    const end = last > offset ? offset + readableBytes(machine, inode, offset, last - offset) : last
    if (end === offset && end < last) return -ErrorNumber.EIO
    let done = 0
    while (offset + done < end) {
      const step = Math.min(CHUNK, end - offset - done)
      const copied = readChunk(machine, inode, address + done, step, offset + done)
      if (copied < 0) return done > 0 ? done : copied
      done += copied
      if (copied < step) break
    }
    machine.threads.count(machine.self, Counter.BytesRead, done)
    return done
  } finally {
    machine.words.store(mode, AccessMode.User)
    readUnlock(machine.words, rwsem)
  }
}

/** Context: i_rwsem shared. One run of pages after the other, each all in the cache or all not. */
function readChunk(machine: Machine, inode: number, address: number, length: number, offset: number): Errno {
  const { media, addon, inodes } = machine
  let done = 0
  while (done < length) {
    const at = offset + done
    const step = Math.min(length - done, Page.Size - (at % Page.Size))
    const state = blockState(machine, inode, Math.floor(at / Page.Size))
    if (state < 0) return done > 0 ? done : state
    // The kernel copies upwards: the first byte of each page is what faults. A host memcpy may begin elsewhere.
    const faultsIn = !machine.trace.isOn || addon.touchPages(address + done, 1, true) >= 0
    let source = 0
    if (media.isCached(inode, at, step)) source = inodes.number(inode, InodeWord.CacheBase) + at
    else if (state === BlockState.Written) {
      const refused = media.beginRead(inode, at, step)
      if (refused < 0) return done > 0 ? done : refused
      source = inodes.number(inode, InodeWord.MediaBase) + at
    }
    let copied: Errno
    if (!faultsIn) copied = -ErrorNumber.EFAULT
    else if (source !== 0) copied = addon.copyMemory(address + done, source, step)
    else copied = addon.fillMemory(address + done, 0, step)
    const failure = copied <= 0 ? copyFailure(machine, source) : 0
    if (copied < step) accessFailed(machine, address + done + Math.max(copied, 0), true)
    if (failure < 0) return done > 0 ? done : failure
    done += copied
    if (copied < step) break
  }
  return done
}

/**
 * Media that was cut short by a stranger is EIO, a buffer that cannot be written EFAULT. The copy says only EFAULT.
 * Ask the source, which nobody but a stranger takes away while we hold i_rwsem: the buffer may be a mapping whose
 * page was past the end, and is not any more.
 * source: its address, 0 for a hole.
 */
function copyFailure(machine: Machine, source: number): Errno {
  const lost = source !== 0 && machine.addon.touchPages(source, 1, false) < 0
  return lost ? -ErrorNumber.EIO : -ErrorNumber.EFAULT
}

/** Return: BlockState of a page, or -EIO when it is bad, known or found now (K107). */
function blockState(machine: Machine, inode: number, pgoff: number): Errno {
  const state = stateOf(machine, inode, pgoff)
  const bad = state === BlockState.Written && isBadPage(machine, inode, machine.blockCursor.pfn)
  return bad ? -ErrorNumber.EIO : state
}

/** Return: BlockState of a page; more of it in machine.blockCursor. Context: takes ilock. */
function stateOf(machine: Machine, inode: number, pgoff: number): BlockState {
  const at = machine.inodes.at(inode) + InodeWord.Blocks
  mutexLock(machine.words, at)
  const state = machine.blocks.lookup(machine.inodes.at(inode) + InodeWord.BlockRoot, pgoff, machine.blockCursor)
  mutexUnlock(machine.words, at)
  return state
}

/**
 * Copy memory to bytes of the file, growing it if need be.
 *
 * Context: takes i_rwsem exclusively; the copy may fault and sleep.
 * Return: bytes written; short when space, a bad page (bad-pages.ts) or an unreadable buffer stopped it; -errno when
 * that was the first byte: ENOSPC, EFBIG (past the address space reserved at open), EFAULT, EIO.
 */
export function writeBytes(machine: Machine, inode: number, address: number, length: number, offset: number): Errno {
  const { inodes, words } = machine
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  if (length === 0) return 0
  writeLock(words, rwsem)
  const mode = machine.threads.at(machine.self) + ThreadWord.AccessMode
  words.store(mode, AccessMode.Kernel)
  try {
    const limit = inodes.number(inode, InodeWord.Reserve)
    if (offset >= limit) return -ErrorNumber.EFBIG
    // file_modified comes before the first block is asked for: a write that fails has changed the times.
    inodes.touchTimes(inode)
    if (!userPageReadable(machine, address)) return -ErrorNumber.EFAULT
    const wanted = Math.min(length, limit - offset)
    const room = allocateForWrite(machine, inode, wanted, offset)
    if (room <= 0) return room
    const sizeBefore = inodes.sizeOf(inode)
    const writable = writableBytes(machine, inode, offset, room)
    if (writable === 0) {
      if (sizeBefore < offset + room) shrinkTo(machine, inode, sizeBefore)
      return -ErrorNumber.EFAULT
    }
    // Before the file grows: a source past its EOF must not come into being by that.
    const readable = readablePrefix(machine, address, writable)
    if (offset + readable > sizeBefore) {
      const error = extendFile(machine, inode, offset + readable, !machine.flavour.writeZeroesTail)
      if (error < 0) {
        shrinkTo(machine, inode, sizeBefore)
        return error
      }
    }
    const done = copyIn(machine, inode, address, readable, offset)
    if (done < writable) sourceFailed(machine, address + Math.max(done, 0))
    // A copy that fell short extended the file too far: it ends where the bytes end, and the blocks behind that go.
    const end = Math.max(sizeBefore, offset + Math.max(done, 0))
    if (end < offset + room) shrinkTo(machine, inode, end)
    if (done > 0) {
      inodes.setFlags(inode, InodeFlag.Dirty)
      machine.threads.count(machine.self, Counter.BytesWritten, done)
      const error = noteUnfenced(machine, inode, offset, done)
      // No room to remember what is on its way: it arrives at once, which a cache may do at any time.
      const evicted = error < 0 ? evict(machine, inode, offset, done) : 0
      return evicted < 0 ? evicted : repairWritten(machine, inode, offset, done) || done
    }
    return done
  } finally {
    words.store(mode, AccessMode.User)
    writeUnlock(words, rwsem)
  }
}

/**
 * Blocks for every page of the range, in order. New ones first appear in the block map, then the entries that said
 * "hole" and their zero pages go, then bytes are copied (K104): a fault in between finds the block, and the cache page
 * it finds is zero.
 *
 * Return: bytes that have room, from the front; -errno when not even the first page has.
 */
function allocateForWrite(machine: Machine, inode: number, length: number, offset: number): Errno {
  const first = Math.floor(offset / Page.Size)
  const last = Math.floor((offset + length - 1) / Page.Size)
  let newFirst = -1
  let newLast = -1
  let error: Errno = 0
  let page = first
  for (; page <= last; page++) {
    if (stateOf(machine, inode, page) === BlockState.Written) continue
    const pfn = allocateBlock(machine, inode, page, true)
    if (pfn < 0) {
      error = pfn
      break
    }
    if (newFirst < 0) newFirst = page
    newLast = page
  }
  if (newFirst >= 0) invalidateRange(machine, inode, newFirst, newLast)
  if (page > first) return Math.min(length, page * Page.Size - offset)
  return error === 0 ? length : error
}

/**
 * Whole pages that were bad are good again: their new bytes go to media at once, so that a power failure cannot bring
 * the old ones back, and only then is the error forgotten (K108).
 * Context: i_rwsem held exclusively. Return: 0, or -errno of the media: the page stays bad.
 */
function repairWritten(machine: Machine, inode: number, offset: number, length: number): Errno {
  if (!mayHaveBadBlocks(machine, inode)) return 0
  const end = Math.floor((offset + length) / Page.Size)
  let repaired = 0
  for (let page = Math.ceil(offset / Page.Size); page < end; page++) {
    if (stateOf(machine, inode, page) !== BlockState.Written) continue
    if (!machine.pfns.isPoisoned(machine.blockCursor.pfn)) continue
    const error = evict(machine, inode, page * Page.Size, Page.Size)
    if (error < 0) return error
    repaired += repairBlocks(machine, inode, page * BAD_BLOCKS_PER_PAGE, (page + 1) * BAD_BLOCKS_PER_PAGE)
  }
  return repaired === 0 ? 0 : noteBadBlocks(machine, inode)
}

/** Context: i_rwsem exclusive; all pages have blocks. Return: bytes copied, or -errno. */
function copyIn(machine: Machine, inode: number, address: number, length: number, offset: number): Errno {
  const { inodes, addon } = machine
  const edges = [Math.floor(offset / Page.Size), Math.floor((offset + length - 1) / Page.Size)]
  if (offset % Page.Size === 0) edges.shift()
  if ((offset + length) % Page.Size === 0) edges.pop()
  // Where the copy stops for want of a source the host leaves a page of zeroes. It must be the file's own page.
  if (addon.touchPages(address, length, false) < 0) {
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) edges.push(page)
  }
  for (const page of new Set(edges)) {
    const error = fillForWrite(machine, inode, page)
    if (error < 0) return error
  }
  // Faults of the buffer are taken here, since those inside pwrite fail under a userfaultfd for user mode only.
  addon.touchPages(address, length, false)
  // pwrite puts a page into the cache whole or not at all: a fault on it meanwhile sees no half-filled page.
  const fd = inodes.word(inode, InodeWord.CacheFd)
  const { stores } = machine
  if (stores === undefined) return addon.writeFile(fd, address, length, offset)
  return stores.exclusive(() => {
    const done = addon.writeFile(fd, address, length, offset)
    if (done > 0) stores.written(inode, offset, inodes.number(inode, InodeWord.CacheBase) + offset, done)
    return done
  })
}

/**
 * Bring a page that is only partly overwritten into the cache. Done with the entry locked, as a fault would: a fill
 * must not put media's bytes over what a fault's thread has stored meanwhile. An entry made for this alone goes again.
 */
function fillForWrite(machine: Machine, inode: number, page: number): Errno {
  const offset = page * Page.Size
  if (machine.media.isCached(inode, offset, Page.Size)) return 0
  const entry = grabEntry(machine, inode, page, true)
  if (isErrorEntry(entry)) return -errnoOf(entry)
  const error = machine.media.fillPage(inode, page, true)
  if (isEmpty(entry)) removeLockedEntry(machine, inode, page, entry)
  else unlockEntry(machine, inode, page, entry)
  return error < 0 ? error : 0
}

/** Return: `length`, or -errno of the media. */
function evict(machine: Machine, inode: number, offset: number, length: number): Errno {
  const first = offset - (offset % Page.LineSize)
  const end = Math.ceil((offset + length) / Page.LineSize) * Page.LineSize
  const error = machine.pending.supersede(inode, first, end - first, () =>
    machine.media.writeback(inode, first, end - first, machine.inodes.sizeOf(inode)),
  )
  return error < 0 ? error : length
}

/**
 * Take back what a short write extended too far: size, and blocks where the file system does that too. As ftruncate
 * does it, for others may have stored to the pages while they were in the file.
 */
function shrinkTo(machine: Machine, inode: number, size: number): void {
  const { inodes, media, words, blocks, flavour, locking } = machine
  const at = inodes.at(inode)
  if (size < inodes.sizeOf(inode)) {
    locking.beginTruncate(machine, inode, Math.floor(size / Page.Size), LAST_INDEX)
    cutPages(machine, inode, size)
    cutMedia(machine, inode)
    locking.endTruncate(machine, inode)
  }
  if (flavour.keepsBlocksPastEof) return
  traceFile(machine, Trace.TruncateInodePages, inode, size, TO_END)
  const first = Math.ceil(size / Page.Size)
  mutexLock(words, at + InodeWord.Sync)
  if (media.uncommitBlocks(inode, first, PGOFF_LIMIT) >= 0) {
    mutexLock(words, at + InodeWord.Blocks)
    blocks.free(at + InodeWord.BlockRoot, first, PGOFF_LIMIT - first)
    mutexUnlock(words, at + InodeWord.Blocks)
  }
  mutexUnlock(words, at + InodeWord.Sync)
}

/** A copy tries three times before it believes that the user's memory cannot be read. */
const COPY_ATTEMPTS = 3

/**
 * fault_in_iov_iter_readable: bring in the first page of the buffer before anything is changed for it.
 * Context: the touch may fault and sleep. Return: false when it is not there: EFAULT.
 */
function userPageReadable(machine: Machine, address: number): boolean {
  const readable = machine.addon.touchPages(address, 1, false) >= 0
  // So that what the fault traced comes before what is traced next.
  if (machine.trace.isOn) settle(machine)
  if (readable) return true
  sourceFailed(machine, address)
  return false
}

/** What the kernel's copy did before it gave up; and the page may be asked for again later. */
function sourceFailed(machine: Machine, address: number): void {
  for (let attempt = 0; attempt < COPY_ATTEMPTS; attempt++) accessFailed(machine, address, false)
}

/**
 * How much of the buffer is there, in whole pages of it; what is not is EFAULT when the copy comes to it.
 * Context: the first page is there; the touches may fault and sleep.
 */
function readablePrefix(machine: Machine, address: number, length: number): number {
  const { addon } = machine
  if (addon.touchPages(address, length, false) >= 0) return length
  let done = 0
  while (done < length) {
    const step = Math.min(length - done, Page.Size - ((address + done) % Page.Size))
    if (addon.touchPages(address + done, step, false) < 0) break
    done += step
  }
  return done
}
