/**
 * Mapping around a fault (mount option faultAround): neighbours of a page that is loaded, if they need nothing but a
 * page-table entry. DAX maps one entry for each fault; this is what the page cache does (filemap_map_pages), at the
 * price of what one fault a page tells: counts, traces, times.
 *
 * A neighbour is mapped when a load of it would find all it needs: a 4 KiB data entry, unlocked, not bad, its page in
 * the cache; read-only, as a load maps it, dirty or clean as it is. Holes, huge entries and pages DAX has not seen are
 * left to faults of their own. So nothing is inserted, allocated or read, and no mark changes.
 *
 * Locks. The neighbours are locked with the page that faulted, by trying: while one is locked neither writeback nor
 * memory failure works on it, and nobody waits. The range lock covers the whole window, so none leaves the file.
 */
import { VmaFlag } from '../mm/vma.js'
import { Wake } from '../sync/wait-table.js'
import { type Entry, pfnOf } from '../tree/entry.js'
import { lockRun, unlockRun } from '../tree/entry-run.js'
import type { Fault } from './fault-context.js'
import { lockPages, rootOf, unlockPages } from './grab-entry.js'
import type { Kernel } from './kernel.js'

/** How many pages, aligned to as many, a fault of this access may map: what its range lock must cover. */
export function windowOf(kernel: Kernel, vma: number, write: boolean): number {
  // Of neighbours nobody would ask whether they may have been stored to.
  if (kernel.faultAround === 1 || write || kernel.vmas.isAsync(vma)) return 1
  return (kernel.vmas.flagsOf(vma) & VmaFlag.Shared) === 0 ? 1 : kernel.faultAround
}

/**
 * Map a page that is in the cache, and neighbours of it.
 *
 * Context: shared range of the window and the entry of the page held; takes i_pages, never sleeps.
 * Return: false when the page itself was not mapped: the caller maps it alone.
 */
export function mapAround(kernel: Kernel, fault: Fault): boolean {
  const { vmas, tree } = kernel
  const { vma, inode, pgoff } = fault
  const window = windowOf(kernel, vma, fault.write)
  const start = pgoff - (pgoff % window)
  const first = Math.max(start, vmas.pgoffOf(vma))
  const last = Math.min(start + window, vmas.pgoffOf(vma) + vmas.pagesOf(vma), kernel.inodes.pagesOf(inode)) - 1
  const root = rootOf(kernel, inode)
  lockPages(kernel, inode)
  const before = pgoff > first ? lockRun(tree, root, pgoff - 1, first, -1, isGood, kernel) : 0
  const after = pgoff < last ? lockRun(tree, root, pgoff + 1, last, 1, isGood, kernel) : 0
  unlockPages(kernel, inode)
  if (before + after === 0) return false

  // First those before it, which ends where one is mapped already; the second call wakes who waits for the page.
  if (before > 0) kernel.pageTable.mapCached(vma, pgoff - before, before)
  const mapped = kernel.pageTable.mapCached(vma, pgoff, 1 + after) > 0

  lockPages(kernel, inode)
  unlockAndWake(kernel, inode, pgoff - before, before)
  unlockAndWake(kernel, inode, pgoff + 1, after)
  unlockPages(kernel, inode)
  return mapped
}

/** Context: i_pages held. */
function unlockAndWake(kernel: Kernel, inode: number, first: number, count: number): void {
  if (count === 0) return
  unlockRun(kernel.tree, rootOf(kernel, inode), first, count)
  for (let index = first; index < first + count; index++) kernel.waits.wake(inode, index, Wake.Next)
}

function isGood(kernel: Kernel, entry: Entry): boolean {
  return !kernel.pfns.isPoisoned(pfnOf(entry))
}
