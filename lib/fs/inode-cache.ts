/**
 * Bringing files into the inode table and out again (iget, iput).
 *
 * An inode is shared by all opens and mappings of the file in all threads. When the last reference goes it is dropped,
 * unless it holds stores no sync has written: a power failure may lose those, closing a file must not. Such an inode
 * stays until it is opened again, or the mount is closed, which writes it back.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { loadBadBlocks, noteBadBlocks } from '../dax/bad-blocks.js'
import { LAST_INDEX, deleteEntries } from '../dax/invalidate.js'
import { rootOf } from '../dax/grab-entry.js'
import { PmemError, checkResult, isErrno } from '../errors.js'
import { HeaderWord, type Machine, isDead } from '../fault/machine.js'
import { BlockState } from '../media/block-map.js'
import { InodeFlag, InodeState, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Mark } from '../tree/root.js'
import { readBadBlocks } from '../media/host-file-bad-blocks.js'
import { readNote } from '../media/host-file-blocks.js'
import { type OpenRequest, openMedia, removeMedia } from './open-media.js'
import { type MediaRun, flag, hostError, mediaRuns } from './pool-directory.js'
import { leaveMedia, openForMapping } from './zero-copy.js'

/** Address space reserved for a file: twice its size, at least this much, so that it can grow while it is open. */
const RESERVE_MIN = 16 * 2 ** 30

export interface OpenedInode {
  readonly inode: number
  readonly created: boolean
}

/**
 * Get an inode by name with a reference, loading it from media if need be.
 * Context: takes the table mutex over host calls.
 * Errors: ENOENT, EEXIST, ENFILE (maxFiles), EACCES… of the host, ENOSPC (extents).
 */
export function getInode(machine: Machine, request: OpenRequest): OpenedInode {
  const { words } = machine
  mutexLock(words, HeaderWord.Inodes)
  try {
    const known = findInode(machine, request.name)
    if (known !== 0) {
      if (request.create && request.exclusive) throw new PmemError('EEXIST', 'open', undefined, request.name)
      if (!request.readOnly && !isWritable(machine, known))
        throw new PmemError('EACCES', 'open', undefined, request.name)
      words.add(machine.inodes.at(known) + InodeWord.References, 1)
      return { inode: known, created: false }
    }
    return loadInode(machine, request)
  } finally {
    mutexUnlock(words, HeaderWord.Inodes)
  }
}

/** One more user of an inode the caller already has. */
export function holdInode(machine: Machine, inode: number): void {
  machine.words.add(machine.inodes.at(inode) + InodeWord.References, 1)
}

/**
 * Give a reference back; drops the inode when it was the last one and nothing would be lost. On a dead mount the inode
 * stays: unmount takes it down with the rest.
 */
export function putInode(machine: Machine, inode: number): void {
  const { words } = machine
  try {
    mutexLock(words, HeaderWord.Inodes)
  } catch (error) {
    if (isDead(words)) return
    throw error
  }
  try {
    const before = words.add(machine.inodes.at(inode) + InodeWord.References, -1)
    if (before !== 1) return
    if (machine.inodes.hasFlags(inode, InodeFlag.Unlinked) || isClean(machine, inode)) dropInode(machine, inode)
  } finally {
    mutexUnlock(words, HeaderWord.Inodes)
  }
}

/** The live inode with this name, or 0. Context: table mutex held. */
export function findInode(machine: Machine, name: string): number {
  const { inodes } = machine
  for (let id = 1; id <= inodes.capacity; id++) {
    if (!inodes.isLive(id) || inodes.hasFlags(id, InodeFlag.Unlinked)) continue
    if (inodes.nameOf(id) === name) return id
  }
  return 0
}

/** All live inodes. Context: table mutex, or nobody else is left; else they may go while one looks: withLiveInodes. */
export function liveInodes(machine: Machine): number[] {
  const live: number[] = []
  for (let id = 1; id <= machine.inodes.capacity; id++) if (machine.inodes.isLive(id)) live.push(id)
  return live
}

/**
 * Do something with all files there are, none of which goes away meanwhile: each is held by a reference.
 * Context: takes the table mutex before and after `work`, and does not hold it during it.
 */
export function withLiveInodes<Result>(machine: Machine, work: (inodes: readonly number[]) => Result): Result {
  const held = holdLiveInodes(machine)
  try {
    return work(held)
  } finally {
    for (const inode of held) putInode(machine, inode)
  }
}

/** Context: takes the table mutex. Return: all live inodes, each with a reference of the caller's. */
export function holdLiveInodes(machine: Machine): readonly number[] {
  mutexLock(machine.words, HeaderWord.Inodes)
  const held = liveInodes(machine)
  for (const inode of held) holdInode(machine, inode)
  mutexUnlock(machine.words, HeaderWord.Inodes)
  return held
}

/** Nothing of the file would be lost if the cache went now. */
export function isClean(machine: Machine, inode: number): boolean {
  const { words, inodes, tree } = machine
  const root = rootOf(machine, inode)
  if (words.load(inodes.at(inode) + InodeWord.UnfencedRoot) !== 0) return false
  if (inodes.hasFlags(inode, InodeFlag.MediaLong)) return false
  return !tree.isMarked(root, Mark.Dirty) && !tree.isMarked(root, Mark.ToWrite)
}

/**
 * Forget an inode: entries, blocks, cache, descriptors. Media keeps what it has; a file whose name is gone loses that
 * too.
 * Context: table mutex held, no reference left.
 */
export function dropInode(machine: Machine, inode: number): void {
  const { inodes, words } = machine
  const at = inodes.at(inode)
  // First: who walks over the live inodes must not find half a one, if this thread is terminated on the way.
  words.store(at + InodeWord.State, InodeState.Dropping)
  deleteEntries(machine, inode, 0, LAST_INDEX)
  machine.pending.dropFrom(inode, 0)
  machine.unfenced.clear(at + InodeWord.UnfencedRoot)
  leaveMedia(machine, inode)
  // Before the blocks: to look at the notes of media takes a descriptor, and this may be the last one there is.
  releaseMemory(machine, inode, InodeWord.CacheBase, InodeWord.CacheFd)
  if (inodes.hasFlags(inode, InodeFlag.Unlinked)) machine.blocks.free(at + InodeWord.BlockRoot, 0, PGOFF_LIMIT)
  else emptyBlocks(machine, inode, () => runsOf(machine, inode))
  releaseHostSide(machine, inode)
}

/**
 * Give back what the host has for an inode, and its record. A thread that was terminated while it loaded or dropped the
 * inode has left some of it.
 * Context: table mutex held, or nobody else is left.
 */
export function releaseHostSide(machine: Machine, inode: number): void {
  releaseMemory(machine, inode, InodeWord.CacheBase, InodeWord.CacheFd)
  releaseMemory(machine, inode, InodeWord.MediaBase, InodeWord.MediaFd)
  machine.words.store(machine.inodes.at(inode) + InodeWord.State, InodeState.Free)
}

/**
 * A kernel mapping and the descriptor behind it. Each is forgotten before it is given back: whoever is terminated in
 * between loses it, which is better than to give back twice what somebody else may have by then.
 */
function releaseMemory({ inodes, words, addon }: Machine, inode: number, base: InodeWord, descriptor: InodeWord): void {
  const address = inodes.number(inode, base)
  if (address !== 0) {
    inodes.setNumber(inode, base, 0)
    addon.unmap(address, inodes.number(inode, InodeWord.Reserve))
  }
  const fd = words.exchange(inodes.at(inode) + descriptor, -1)
  if (fd >= 0) addon.closeFd(fd)
}

/**
 * The block map becomes what media has, as after a reboot. What media has is asked first: when it cannot be, nothing
 * has changed.
 * Context: the file's pages are not in use; takes ilock. Errors: ENOSPC; EMFILE… of the host.
 */
export function reloadBlocks(machine: Machine, inode: number): void {
  const runs = runsOf(machine, inode)
  emptyBlocks(machine, inode, () => runs)
  fillBlocks(machine, inode, runs)
}

/**
 * Fill the block map, out of the reservation for files not loaded. A file that someone put into the pool, or wrote to,
 * since the mount has no reservation yet.
 */
function fillBlocks(machine: Machine, inode: number, runs: readonly MediaRun[]): void {
  const { inodes, blocks, pfns, words } = machine
  const at = inodes.at(inode)
  const missing = pagesIn(runs) - pfns.reservedPages
  if (missing > 0) checkResult(pfns.reserve(missing), 'open', inodes.nameOf(inode))
  mutexLock(words, at + InodeWord.Blocks)
  try {
    for (const { first, end, written } of runs) {
      const state = written ? BlockState.Written : BlockState.Unwritten
      checkResult(blocks.load(at + InodeWord.BlockRoot, first, end, state), 'open', inodes.nameOf(inode))
    }
  } finally {
    mutexUnlock(words, at + InodeWord.Blocks)
  }
}

/** What media knows of the memory errors of a file; a file without a name has no note. */
function loadPoison(machine: Machine, inode: number): void {
  const { addon, inodes, words } = machine
  const directory = words.load(HeaderWord.PoolDirectory)
  const noted = readBadBlocks(addon, directory, inodes.nameOf(inode))
  loadBadBlocks(machine, inode, noted)
  // What it says of pages without a block must be gone before they get one.
  if (noted.length > 0) checkResult(noteBadBlocks(machine, inode), 'open', inodes.nameOf(inode))
}

/**
 * Empty the block map. What media holds stays reserved; blocks allocated and never written are free again, unless media
 * cannot be asked (no descriptor left, a damaged note): then they all stay reserved, for a close cannot fail half-way.
 */
function emptyBlocks(machine: Machine, inode: number, held: () => readonly MediaRun[]): void {
  const { inodes, blocks, pfns, words } = machine
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const allocated = blocks.blocks(at + InodeWord.BlockRoot)
  blocks.unload(at + InodeWord.BlockRoot)
  mutexUnlock(words, at + InodeWord.Blocks)
  let pages: number
  try {
    pages = pagesIn(held())
  } catch {
    return
  }
  if (allocated > pages) pfns.unreserve(allocated - pages)
}

function runsOf(machine: Machine, inode: number): MediaRun[] {
  const { addon, inodes, words } = machine
  const directory = words.load(HeaderWord.PoolDirectory)
  const fd = inodes.word(inode, InodeWord.MediaFd)
  const name = inodes.hasFlags(inode, InodeFlag.Unlinked) ? undefined : inodes.nameOf(inode)
  if (name !== undefined && readNote(addon, directory, name).length > 0) inodes.setFlags(inode, InodeFlag.Noted)
  return mediaRuns(addon, directory, fd, name, inodes.sizeOf(inode))
}

function pagesIn(runs: readonly MediaRun[]): number {
  return runs.reduce((pages, run) => pages + run.end - run.first, 0)
}

function isWritable(machine: Machine, inode: number): boolean {
  return !machine.inodes.hasFlags(inode, InodeFlag.ReadOnly)
}

function loadInode(machine: Machine, request: OpenRequest): OpenedInode {
  const { inodes, words } = machine
  const inode = freeInode(machine)
  const at = inodes.at(inode)
  const media = openMedia(machine, request)
  try {
    // All but i_pages: a memory failure that comes too late for the last file may be looking (memory-failure.ts).
    for (let word = 0; word < InodeWord.RecordSize; word++) if (word !== InodeWord.Pages) words.set(at + word, 0)
    inodes.setWord(inode, InodeWord.MediaFd, media.fd)
    inodes.setWord(inode, InodeWord.CacheFd, -1)
    words.store(at + InodeWord.State, InodeState.Loading)
    if (media.readOnly) inodes.setFlags(inode, InodeFlag.ReadOnly)
    inodes.setName(inode, new TextEncoder().encode(request.name))
    inodes.setSize(inode, media.size)
    mapInode(machine, inode, request, media.size)
    fillBlocks(machine, inode, runsOf(machine, inode))
    loadPoison(machine, inode)
  } catch (error) {
    machine.blocks.unload(at + InodeWord.BlockRoot)
    releaseHostSide(machine, inode)
    if (media.created) removeMedia(machine, request.name)
    if (isErrno(error, 'ENOMEM')) throw new PmemError('ENOMEM', 'open', outOfMemory(request, media.size), request.name)
    throw hostError(error, 'open', request.name)
  }
  words.store(at + InodeWord.References, 1)
  words.store(at + InodeWord.State, InodeState.Live)
  return { inode, created: media.created }
}

/** Bytes of address space, twice: for the cache and for media. */
function reserveFor(request: OpenRequest, size: number): number {
  const wanted = request.maxSize > 0 ? Math.max(request.maxSize, size) : Math.max(RESERVE_MIN, size * 2)
  return Math.ceil(wanted / Page.PmdSize) * Page.PmdSize
}

function outOfMemory(request: OpenRequest, size: number): string {
  const reserve = `${2 * Math.ceil(reserveFor(request, size) / 2 ** 20)} MiB`
  const mend = 'raise ulimit -v or vm.max_map_count, or give a smaller maxSize'
  return `no ${reserve} of address space, or too many maps: ${mend}`
}

/** The cache and the two kernel mappings, which reach beyond EOF so that growth moves nothing. */
function mapInode(machine: Machine, inode: number, request: OpenRequest, size: number): void {
  const { inodes, addon } = machine
  const { constants: c } = addon
  const reserve = reserveFor(request, size)
  const cache = openCache(machine, inode, request, size)
  inodes.setNumber(inode, InodeWord.Reserve, reserve)
  const readWrite = flag(c, 'PROT_READ') | flag(c, 'PROT_WRITE')
  inodes.setNumber(inode, InodeWord.CacheBase, addon.mapFile(cache, 0, reserve, readWrite, true))
  const media = inodes.word(inode, InodeWord.MediaFd)
  inodes.setNumber(inode, InodeWord.MediaBase, addon.mapFile(media, 0, reserve, flag(c, 'PROT_READ'), true))
}

/** A memfd that goes with the mount; or the media file itself, which must not. */
function openCache(machine: Machine, inode: number, request: OpenRequest, size: number): number {
  const { inodes, addon, words, handle } = machine
  if (handle.config.zeroCopy === true) {
    const media = openForMapping(machine, inode)
    inodes.setWord(inode, InodeWord.CacheFd, media)
    return media
  }
  const cache = addon.createMemfd(`faultline:${request.name}`.slice(0, 200), size)
  inodes.setWord(inode, InodeWord.CacheFd, cache)
  addon.ownCache(words.load(HeaderWord.Uffd), cache)
  return cache
}

/** Context: table mutex held. A full table first loses what nobody uses. */
function freeInode(machine: Machine): number {
  const { inodes, words } = machine
  for (let id = 1; id <= inodes.capacity; id++) if (inodes.isFree(id)) return id
  for (const id of liveInodes(machine)) {
    if (words.load(inodes.at(id) + InodeWord.References) !== 0 || !isClean(machine, id)) continue
    dropInode(machine, id)
    return id
  }
  throw new PmemError('ENFILE', 'open', `all ${inodes.capacity} inodes are in use (mount option maxFiles)`)
}
