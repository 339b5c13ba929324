/**
 * Cache to media, for pages whose bytes stay while it is done: what writeback and the fence of write(2) have in common.
 *
 * A bad page cannot be written. What was stored to it is lost: that is an error of the file, told once to each open of
 * it, and then the page counts as clean, since nothing about it will ever be written: also where its 2 MiB entry is
 * dirtied again beside it. What lies around it is written.
 */
import { Page } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import type { PageRuns } from '../mm/page-runs.js'
import { mayHaveBadBlocks, nextKnownBad } from './bad-blocks.js'
import { lookupBlock } from './blocks.js'
import type { Kernel } from './kernel.js'

/** In place of -EIO: stores to bad pages are lost, everything else was done. */
export const LOST: Errno = -ErrorNumber.EHWPOISON

/** Another error can be mended and what it left is tried again; what is lost stays so. That is told, whatever else. */
export function withLost(error: Errno, lost: Errno): Errno {
  if (lost !== LOST) return error
  return error < 0 ? -ErrorNumber.EIO : LOST
}

/**
 * Cache to media for all pages of a batch; bad pages are passed over.
 * Context: the pages are in the cache and stay there. Return: 0, LOST when there was a bad page no sync has told of,
 * or -errno.
 */
export function flushRuns(kernel: Kernel, inode: number, runs: PageRuns): Errno {
  // As in PendingLines.supersede: what is flushed after this look is newer than the stores a sync has to cover.
  if (kernel.pending.count === 0 && !mayHaveBadBlocks(kernel, inode)) {
    return kernel.media.writebackRuns(inode, runs, kernel.inodes.sizeOf(inode))
  }
  let lost: Errno = 0
  for (let run = 0; run < runs.count; run++) {
    const error = flushBytes(kernel, inode, runs.first(run) * Page.Size, runs.length(run) * Page.Size)
    if (error === LOST) lost = LOST
    else if (error < 0) return error
  }
  return lost
}

/** noteTold of a batch. */
export function noteRunsTold(kernel: Kernel, inode: number, runs: PageRuns): void {
  for (let run = 0; run < runs.count; run++) {
    noteTold(kernel, inode, runs.first(run), runs.first(run) + runs.length(run))
  }
}

/**
 * Cache to media, by line, superseding older snapshots; bad pages are passed over.
 * Context: the bytes are in the cache and stay there. Return: 0, LOST when there was a bad page no sync has told of, or
 * -errno.
 */
export function flushBytes(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  const last = Math.ceil((offset + length) / Page.Size)
  let at = offset
  let lost: Errno = 0
  let bad = nextKnownBad(kernel, inode, Math.floor(offset / Page.Size), last)
  if (bad < 0) return flushGood(kernel, inode, offset, length)
  for (; bad >= 0; bad = nextKnownBad(kernel, inode, bad + 1, last)) {
    const error = at < bad * Page.Size ? flushGood(kernel, inode, at, bad * Page.Size - at) : 0
    if (error < 0) return error
    if (kernel.pfns.isUntold(lookupBlock(kernel, inode, bad))) lost = LOST
    at = (bad + 1) * Page.Size
  }
  const error = at < offset + length ? flushGood(kernel, inode, at, offset + length - at) : 0
  return error < 0 ? error : lost
}

/**
 * The pages count as clean from here on, so what is lost of them is told by this sync or never.
 * Context: as flushBytes, which said LOST.
 */
export function noteTold(kernel: Kernel, inode: number, first: number, end: number): void {
  for (let bad = first - 1; (bad = nextKnownBad(kernel, inode, bad + 1, end)) >= 0;) {
    kernel.pfns.tellLost(lookupBlock(kernel, inode, bad))
  }
}

function flushGood(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  return kernel.pending.supersede(inode, offset, length, () =>
    kernel.media.writeback(inode, offset, length, kernel.inodes.sizeOf(inode)),
  )
}
