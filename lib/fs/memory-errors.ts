/**
 * Memory errors as calls: what a test bench, or ndctl with inject-error and clear-errors, does to a device, done to the
 * blocks of a file.
 */
import { badRunsOf, blocksAround, noteBadBlocks } from '../dax/bad-blocks.js'
import { commitMetadata } from '../dax/commit.js'
import { waitForEntry } from '../dax/invalidate.js'
import { poisonBlocks, repairBlocks } from '../dax/poison-blocks.js'
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { BAD_BLOCKS_DIRECTORY, namesWithNotes } from '../media/host-file-notes.js'
import { BAD_BLOCK_SIZE } from '../media/page-poison.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { hostError, listMounted } from './pool-directory.js'
import { zeroBytes } from './zero-bytes.js'

/** A run of bad blocks of a file. Bytes, multiples of 512. */
export interface BadBlock {
  readonly offset: number
  readonly length: number
}

/** Names of the files of the pool whose list of errors is kept, be they known or latent. */
export function filesWithErrors(machine: Machine): string[] {
  const names = listMounted(machine, 'badBlocks')
  try {
    const pool = machine.words.load(HeaderWord.PoolDirectory)
    const noted = new Set(namesWithNotes(machine.addon, pool, BAD_BLOCKS_DIRECTORY))
    return names.filter((name) => noted.has(name))
  } catch (error) {
    throw hostError(error, 'badBlocks', machine.handle.root)
  }
}

/** The errors of a file that are known. Context: takes ilock. */
export function listBadBlocks(machine: Machine, inode: number): BadBlock[] {
  return badRunsOf(machine, inode)
    .filter(({ latent }) => !latent)
    .map(({ first, count }) => ({ offset: first * BAD_BLOCK_SIZE, length: count * BAD_BLOCK_SIZE }))
}

/**
 * The blocks that bytes [offset, offset + length) lie in go bad, where the file has written blocks.
 * Context: takes i_rwsem; may sleep until faults and syncs on them are over. Return: bad blocks now, or -errno.
 */
export function injectErrors(machine: Machine, inode: number, offset: number, length: number, latent: boolean): Errno {
  return alone(machine, inode, () => {
    const [first, end] = blocksInFile(machine, inode, offset, length)
    return poisonBlocks(machine, inode, first, end, latent)
  })
}

/**
 * The blocks that bytes [offset, offset + length) lie in are sound again (ND_CMD_CLEAR_ERROR). What was bad reads zero;
 * the rest of their pages is as it was stored, once the whole page is sound.
 * Context: as injectErrors. Return: blocks that were bad, or -errno of the media.
 */
export function clearErrors(machine: Machine, inode: number, offset: number, length: number): Errno {
  return alone(machine, inode, () => {
    const [first, end] = blocksInFile(machine, inode, offset, length)
    const pages = new Set<number>()
    for (const run of badRunsOf(machine, inode)) {
      const from = Math.max(first, run.first) * BAD_BLOCK_SIZE
      const to = Math.min(end, run.first + run.count) * BAD_BLOCK_SIZE
      for (let at = from; at < to;) {
        const page = Math.floor(at / Page.Size)
        const stop = Math.min(to, (page + 1) * Page.Size)
        const error = zeroBad(machine, inode, at, stop)
        if (error < 0) return error
        pages.add(page)
        at = stop
      }
    }
    if (pages.size === 0) return 0
    for (const page of pages) {
      const error = saveRest(machine, inode, page)
      if (error < 0) return error
    }
    const cleared = repairBlocks(machine, inode, first, end)
    machine.inodes.setFlags(inode, InodeFlag.MetadataDirty)
    let error = commitMetadata(machine, inode, false)
    if (error >= 0) error = noteBadBlocks(machine, inode)
    return error < 0 ? error : cleared
  })
}

/** Bytes of one page, cache and media. A sync that compared the page before may still be writing it: media after it. */
function zeroBad(machine: Machine, inode: number, from: number, to: number): Errno {
  let error = zeroBytes(machine, inode, from, to)
  waitForEntry(machine, inode, Math.floor(from / Page.Size))
  const inFile = Math.min(to, machine.inodes.sizeOf(inode)) - from
  if (error >= 0 && inFile > 0) error = machine.media.zeroMedia(inode, from, inFile)
  return error
}

/**
 * What was stored around the bad blocks goes to media while nobody can store there: the page may count as clean, after
 * a sync that told of its loss.
 */
function saveRest(machine: Machine, inode: number, page: number): Errno {
  const { media, pending, inodes } = machine
  const offset = page * Page.Size
  if (!media.isCached(inode, offset, Page.Size)) return 0
  return pending.supersede(inode, offset, Page.Size, () =>
    media.writeback(inode, offset, Page.Size, inodes.sizeOf(inode)),
  )
}

/** Errors past the last page of the file cannot be: the loop over blocks ends there. */
function blocksInFile(machine: Machine, inode: number, offset: number, length: number): [first: number, end: number] {
  const limit = machine.inodes.pagesOf(inode) * Page.Size
  return blocksAround(Math.min(offset, limit), Math.min(length, Math.max(0, limit - offset)))
}

/** With i_rwsem: blocks stay where they are, and no read or write sees a half-cleared page. */
function alone(machine: Machine, inode: number, work: () => Errno): Errno {
  const rwsem = machine.inodes.at(inode) + InodeWord.Rwsem
  writeLock(machine.words, rwsem)
  try {
    return work()
  } finally {
    writeUnlock(machine.words, rwsem)
  }
}
