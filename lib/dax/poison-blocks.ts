/**
 * Errors put into a file, and repaired, by whoever knows the file; by page frame: memory-failure.ts.
 *
 *   an error comes     bits first, then the entry: whoever has it locked may have looked before, and what it mapped is
 *                      unmapped after; whoever locks it later sees the bits
 *   an error goes      the bytes first, then the bits, then the entry in the same way: a refused fault leaves a mark in
 *                      the page table that must go. So nobody sees a repaired page without its new bytes (K108)
 */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { InodeFlag } from '../mm/inode.js'
import { FailureResult } from '../trace/tracepoints.js'
import { NULL_ENTRY } from '../tree/entry.js'
import { forEachPage, mayHaveBadBlocks, noteBadBlocks } from './bad-blocks.js'
import { lookupBlock } from './blocks.js'
import type { Kernel } from './kernel.js'
import { lockMappingEntry, unlockMappingEntry, unmapEntry } from './memory-failure.js'
import { traceFailure } from './trace.js'

/**
 * Blocks [first, end) of the file go bad, as far as they are written ones. latent: nobody knows before an access.
 *
 * Context: i_rwsem held exclusively, no entry lock; sleeps while entries are locked.
 * Return: how many blocks have errors in the range now, or -errno of the note (the errors are there all the same).
 */
export function poisonBlocks(kernel: Kernel, inode: number, first: number, end: number, latent: boolean): Errno {
  kernel.inodes.setFlags(inode, InodeFlag.BadBlocks)
  let count = 0
  forEachPage(first, end, (pgoff, blocks) => {
    const pfn = lookupBlock(kernel, inode, pgoff)
    if (pfn === 0) return
    kernel.pfns.setPoison(pfn, blocks, latent)
    count += countBits(blocks)
    unmapPage(kernel, inode, pgoff)
    if (latent) return
    kernel.pending.dropRange(inode, pgoff * Page.Size, (pgoff + 1) * Page.Size)
    traceFailure(kernel, pfn, inode, FailureResult.Recovered)
  })
  const error = noteBadBlocks(kernel, inode)
  return error < 0 ? error : count
}

/**
 * Blocks [first, end) are sound again, their bytes are what they are to be. The caller has the list noted.
 * Context: i_rwsem held exclusively, no entry lock; sleeps while entries are locked.
 * Return: how many were bad.
 */
export function repairBlocks(kernel: Kernel, inode: number, first: number, end: number): number {
  if (!mayHaveBadBlocks(kernel, inode)) return 0
  let count = 0
  forEachPage(first, end, (pgoff, blocks) => {
    const pfn = lookupBlock(kernel, inode, pgoff)
    if (pfn === 0 || !kernel.pfns.isPoisoned(pfn)) return
    count += countBits(kernel.pfns.clearPoison(pfn, blocks))
    unmapPage(kernel, inode, pgoff)
  })
  return count
}

/** Take a page out of every mapping, what its entry covers besides. Context: no entry lock held; may sleep. */
function unmapPage(kernel: Kernel, inode: number, pgoff: number): void {
  const entry = lockMappingEntry(kernel, inode, pgoff)
  if (entry !== NULL_ENTRY) unmapEntry(kernel, inode, pgoff, entry)
  else kernel.pageTable.unmapPages(inode, pgoff, 1)
  unlockMappingEntry(kernel, inode, pgoff, entry)
}

function countBits(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}
