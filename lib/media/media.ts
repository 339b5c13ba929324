/**
 * The media port: the two places the bytes of a file live, and what moves them.
 *
 *   cache   what the CPU sees: the pages every mapping of the file shares
 *   media   what survives: the host file
 *
 * Production is host-file-media.ts, tests use memory-media.ts. Calls return 0 or -errno. Offsets and lengths are bytes.
 */
import type { Errno } from '../errors.js'
import type { PageRuns } from '../mm/page-runs.js'
import type { BlockRun } from './block-map.js'
import type { BadRun } from './page-poison.js'

export interface Media {
  /**
   * Bring media up to what the cache holds, by line: each line that differs is flushed and written; equal ones are left
   * alone. Nothing at or past `size` is written. A single page must be in the cache; of a longer range, pages that are
   * not are passed over.
   */
  writeback(inode: number, offset: number, length: number, size: number): Errno
  /** The same for pages of 4 KiB entries, all of them in the cache, or of one 2 MiB entry. */
  writebackRuns(inode: number, runs: PageRuns, size: number): Errno
  /** Are all pages of the range in the cache? */
  isCached(inode: number, offset: number, length: number): boolean
  /**
   * Somebody is about to copy these bytes of media, through a mapping of it: the port is told of reads it does not do
   * itself. What turns out to be in the cache is not read. Return: 0, or -errno of media that does not give them.
   */
  beginRead(inode: number, offset: number, length: number): Errno
  /** Bring one page into the cache unless it is there. Context: the entry of the page is locked. */
  fillPage(inode: number, pgoff: number, fromMedia: boolean): Errno
  /**
   * Bring pages with blocks into the cache where they are not there.
   * Context: nobody else fills or writes the cache of these pages. Return: how many were brought in, or -errno.
   */
  fillPages(inode: number, pgoff: number, count: number): Errno
  /** Zero bytes of pages in the cache; others are left alone. */
  zeroCache(inode: number, offset: number, length: number): Errno
  /** Zero bytes on media, allocating nothing. */
  zeroMedia(inode: number, offset: number, length: number): Errno
  /** Drop whole pages from the cache, unmapping them everywhere but in private copies. */
  dropCache(inode: number, offset: number, length: number): Errno
  /** Give the blocks of whole pages back to the host: a hole that reads zero. */
  punchMedia(inode: number, offset: number, length: number): Errno
  /**
   * Move bytes of the file to another place of it, holes as holes; the ranges may overlap. Upwards, [from, to) is a
   * hole afterwards. On failure the bytes are where they were, as far as the host lets them be put back; the rest of
   * the target is lost.
   */
  moveMedia(inode: number, from: number, to: number, length: number): Errno
  resizeCache(inode: number, size: number): Errno
  resizeMedia(inode: number, size: number): Errno
  /**
   * Make the host allocate these blocks, all the file has, such that a remount finds them.
   * Context: Sync mutex held: what is freed or renamed meanwhile would come back.
   */
  commitBlocks(inode: number, runs: readonly BlockRun[]): Errno
  /**
   * Pages [first, end) have no blocks any more: a remount must not find those that were committed.
   * Context: Sync mutex held, before the blocks are free: else a crash could bring them back when others have them.
   */
  uncommitBlocks(inode: number, first: number, end: number): Errno
  /** Keep the list of bad blocks, all the file has, across mounts. Context: Sync mutex held, as for commitBlocks. */
  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno
  /** Host fdatasync: what was written survives a power failure of the host too. */
  syncMedia(inode: number): Errno
  /** clwb with a snapshot: copy the line at `offset` of the cache into 16 words at `at`. */
  captureLine(inode: number, offset: number, at: number): Errno
  /** Write `length` bytes of a snapshot to media. */
  commitLine(inode: number, offset: number, at: number, length: number): Errno
  /**
   * Which lines of one page differ between cache and media, for a page known to be in the cache.
   * Return: how many; lineMask(0) and lineMask(1) are the low and high 32 lines.
   */
  diffPage(inode: number, pgoff: number): Errno
  lineMask(half: 0 | 1): number
}
