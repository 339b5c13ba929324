/**
 * Memory errors of a file: the list of its bad blocks, and how latent ones are found. How they come and go:
 * poison-blocks.ts, memory-failure.ts.
 *
 * Errors belong to page frames (media/page-poison.ts), in blocks of 512 bytes; the file has them where its written
 * blocks lie. A page with any is bad as a whole: for faults (K99), for read(2) and for writeback. Blocks never written
 * have none: nothing is ever read from them, and the file system zeroes them through the driver, which repairs, before
 * they are.
 *
 * After every change the media keeps the list, under the Sync mutex, as it keeps the list of blocks.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import type { Errno } from '../errors.js'
import { BlockCursor, BlockState } from '../media/block-map.js'
import { BAD_BLOCKS_PER_PAGE, BAD_BLOCK_SIZE, type BadRun, WHOLE_PAGE } from '../media/page-poison.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { FailureResult } from '../trace/tracepoints.js'
import { lookupBlock } from './blocks.js'
import type { Kernel } from './kernel.js'
import { traceFailure } from './trace.js'

/** Can the file have bad blocks at all? The answer that costs nothing. */
export function mayHaveBadBlocks(kernel: Kernel, inode: number): boolean {
  return kernel.inodes.hasFlags(inode, InodeFlag.BadBlocks)
}

/** All bad blocks of the file, in order, neighbours joined. Context: takes ilock. */
export function badRunsOf(kernel: Kernel, inode: number): BadRun[] {
  if (!mayHaveBadBlocks(kernel, inode)) return []
  const runs: BadRun[] = []
  const { blocks, pfns, words } = kernel
  const at = kernel.inodes.at(inode)
  const block = new BlockCursor()
  mutexLock(words, at + InodeWord.Blocks)
  for (let page = 0; page < PGOFF_LIMIT; page += block.pages) {
    if (blocks.lookup(at + InodeWord.BlockRoot, page, block) !== BlockState.Written) continue
    const end = block.pfn + block.pages
    for (let pfn = block.pfn; (pfn = pfns.nextPoisoned(pfn, end - pfn)) !== 0 && pfn < end; pfn++) {
      const first = (page + pfn - block.pfn) * BAD_BLOCKS_PER_PAGE
      addBlocks(runs, first, pfns.badBlocksOf(pfn), !pfns.isKnownBad(pfn))
      if (pfn + 1 === end) break
    }
  }
  mutexUnlock(words, at + InodeWord.Blocks)
  return runs
}

function addBlocks(runs: BadRun[], first: number, blocks: number, latent: boolean): void {
  for (let i = 0; i < BAD_BLOCKS_PER_PAGE; i++) {
    if (((blocks >>> i) & 1) === 0) continue
    const last = runs.at(-1)
    if (last === undefined || last.latent !== latent || last.first + last.count !== first + i) {
      runs.push({ first: first + i, count: 1, latent })
    } else runs[runs.length - 1] = { ...last, count: last.count + 1 }
  }
}

/** Have the media keep the list as it is now. Context: takes the Sync mutex, ilock inside it. Return: 0 or -errno. */
export function noteBadBlocks(kernel: Kernel, inode: number): Errno {
  if (!mayHaveBadBlocks(kernel, inode)) return 0
  const sync = kernel.inodes.at(inode) + InodeWord.Sync
  mutexLock(kernel.words, sync)
  try {
    return noteBadBlocksLocked(kernel, inode)
  } finally {
    mutexUnlock(kernel.words, sync)
  }
}

/** noteBadBlocks for a caller that holds the Sync mutex. */
export function noteBadBlocksLocked(kernel: Kernel, inode: number): Errno {
  return mayHaveBadBlocks(kernel, inode) ? kernel.media.noteBadBlocks(inode, badRunsOf(kernel, inode)) : 0
}

/** The errors of a file that comes into the inode table. Context: nobody uses its pages. */
export function loadBadBlocks(kernel: Kernel, inode: number, runs: readonly BadRun[]): void {
  for (const { first, count, latent } of runs) {
    kernel.inodes.setFlags(inode, InodeFlag.BadBlocks)
    forEachPage(first, first + count, (pgoff, blocks) => {
      const pfn = lookupBlock(kernel, inode, pgoff)
      if (pfn !== 0) kernel.pfns.setPoison(pfn, blocks, latent)
    })
  }
}

/**
 * Somebody came across the errors of a page: what was latent is known from now on.
 * Context: any but i_pages; takes the Sync mutex and ilock, the first time.
 */
export function revealPage(kernel: Kernel, inode: number, pfn: number): void {
  if (!kernel.pfns.revealPoison(pfn)) return
  traceFailure(kernel, pfn, inode, FailureResult.Recovered)
  // An error of the note keeps the old one: the error is latent again after a remount, and not forgotten.
  noteBadBlocks(kernel, inode)
}

/** Has the page an error? Finds latent ones. Context: as revealPage. */
export function isBadPage(kernel: Kernel, inode: number, pfn: number): boolean {
  if (!kernel.pfns.isPoisoned(pfn)) return false
  revealPage(kernel, inode, pfn)
  return true
}

/**
 * Pages [first, end) are about to be unwritten blocks, which have no errors; those of blocks that are given back go
 * when they are allocated anew. Context: ilock held.
 */
export function forgetPoison(kernel: Kernel, inode: number, first: number, end: number): void {
  if (!mayHaveBadBlocks(kernel, inode)) return
  const { blocks, blockCursor } = kernel
  const root = kernel.inodes.at(inode) + InodeWord.BlockRoot
  for (let page = first; page < end; page += blockCursor.pages) {
    if (blocks.lookup(root, page, blockCursor) === BlockState.Hole) continue
    const last = blockCursor.pfn + Math.min(blockCursor.pages, end - page)
    for (let pfn = blockCursor.pfn; pfn < last; pfn++) kernel.pfns.clearPoison(pfn)
  }
}

/** Is any page of bytes [from, to) known to be bad? Context: takes ilock. */
export function anyKnownBad(kernel: Kernel, inode: number, from: number, to: number): boolean {
  return nextKnownBad(kernel, inode, Math.floor(from / Page.Size), Math.ceil(to / Page.Size)) >= 0
}

/** Return: the first page of [first, end) that is known to be bad, or -1. Context: takes ilock. */
export function nextKnownBad(kernel: Kernel, inode: number, first: number, end: number): number {
  if (!mayHaveBadBlocks(kernel, inode)) return -1
  const { pfns, words, blocks } = kernel
  const at = kernel.inodes.at(inode)
  const block = new BlockCursor()
  let found = -1
  mutexLock(words, at + InodeWord.Blocks)
  for (let page = first; found < 0 && page < end; page += block.pages) {
    if (blocks.lookup(at + InodeWord.BlockRoot, page, block) !== BlockState.Written) continue
    const last = block.pfn + Math.min(block.pages, end - page)
    let pfn = pfns.nextPoisoned(block.pfn, last - block.pfn)
    while (pfn !== 0 && !pfns.isKnownBad(pfn)) pfn = pfn + 1 < last ? pfns.nextPoisoned(pfn + 1, last - pfn - 1) : 0
    if (pfn !== 0) found = page + pfn - block.pfn
  }
  mutexUnlock(words, at + InodeWord.Blocks)
  return found
}

/** Call `visit` for each page blocks [first, end) lie in, with those of its blocks. */
export function forEachPage(first: number, end: number, visit: (pgoff: number, blocks: number) => void): void {
  for (let at = first; at < end;) {
    const offset = at % BAD_BLOCKS_PER_PAGE
    const count = Math.min(end - at, BAD_BLOCKS_PER_PAGE - offset)
    visit(Math.floor(at / BAD_BLOCKS_PER_PAGE), (WHOLE_PAGE >>> (BAD_BLOCKS_PER_PAGE - count)) << offset)
    at += count
  }
}

/** Blocks of 512 bytes that bytes [offset, offset + length) lie in. */
export function blocksAround(offset: number, length: number): [first: number, end: number] {
  return [Math.floor(offset / BAD_BLOCK_SIZE), Math.ceil((offset + length) / BAD_BLOCK_SIZE)]
}
