/**
 * Writeback (dax_writeback_mapping_range, dax_writeback_one): what msync, fsync and fdatasync do with dirty pages.
 *
 * Per entry, in this order, and each step's place has a reason (K70, D8):
 *
 *   lock the entry      refaults wait: nobody can make the page writable meanwhile
 *   clear TOWRITE       a second sync of the page finds the entry locked and must wait for us; it cannot return early
 *   write-protect       in every mapping; a store from here on faults, waits for the entry, and dirties it again
 *   flush lines         what was stored before the protection reaches media
 *   clear DIRTY         only now: cleared earlier, a crash or a store in between would be forgotten. Not at all when
 *                       TOWRITE is back: who set it may know of a store that was not flushed (collect-stores.ts)
 *   unlock, wake next
 *
 * Any other order loses a store. A sync ends when what others took from it is written too (awaitOthers). Cost grows
 * with dirty entries, never with the size of the mapping.
 *
 * 4 KiB entries go through these steps in batches of up to BATCH_PAGES: one call write-protects them and one compares
 * and writes them, which is where the time goes. The first is waited for, the others are taken while i_pages is held
 * and only if they are free, so a batch never waits with an entry locked, and ends where one is locked.
 *
 * A bad page cannot be written. What was stored to it is lost: that is an error of the file, told once to each open of
 * it, and then the page counts as clean, since nothing about it will ever be written. What lies around it is written.
 */
import { ErrorNumber, type Errno } from '../errors.js'
import { Page, PGOFF_LIMIT } from '../constants.js'
import { InodeWord } from '../mm/inode.js'
import type { PageRuns } from '../mm/page-runs.js'
import { Counter } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { NULL_ENTRY, isEmpty, isLocked, isZero, orderOf, pfnOf } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { tagRangeForWriteback } from '../tree/tags.js'
import {
  getUnlockedEntry,
  lockEntry,
  lockNextEntry,
  lockPages,
  putUnlockedEntry,
  rootOf,
  unlockEntryAt,
  unlockPages,
  waitEntryUnlocked,
} from './grab-entry.js'
import { mayHaveBadBlocks, nextKnownBad } from './bad-blocks.js'
import { collectStores } from './collect-stores.js'
import type { Kernel } from './kernel.js'
import { Trace } from '../trace/tracepoints.js'
import { traceFile } from './trace.js'
import { BATCH_PAGES } from './writeback-batch.js'

/** LLONG_MAX in pages: what the kernel traces as the end of a whole file. */
const LAST_TRACED = 2 ** 51 - 1
const LAST_INDEX = PGOFF_LIMIT - 1

/** In place of -EIO: stores to bad pages are lost, everything else was done. */
export const LOST: Errno = -ErrorNumber.EHWPOISON

/**
 * Bring media up to the dirty entries that overlap pages [first, last]. A page dirtied after the call began is the next
 * sync's job: the set is bounded by the tags, so a busy writer cannot keep a sync going (1.9 a).
 *
 * Context: holds no lock; sleeps while entries are locked.
 * Return: 0, or the first -errno, which is recorded for the file; the batch it happened in stays DIRTY. Bad pages are
 * -EIO, after the rest was written, and clean then.
 */
export function writebackRange(kernel: Kernel, inode: number, first: number, last: number, traced = true): Errno {
  const error = saveRange(kernel, inode, first, last, traced)
  return error === LOST ? -ErrorNumber.EIO : error
}

/**
 * writebackRange for who goes on when a page is bad: what is to become of the pages does not hang on it. The next sync
 * tells of it. Return: 0, LOST, or -errno.
 */
export function saveRange(kernel: Kernel, inode: number, first: number, last: number, traced = true): Errno {
  const root = rootOf(kernel, inode)
  collectStores(kernel, inode, first, last)
  lockPages(kernel, inode)
  if (!kernel.tree.isMarked(root, Mark.Dirty) && !kernel.tree.isMarked(root, Mark.ToWrite)) {
    unlockPages(kernel, inode)
    return 0
  }
  const span = traced ? kernel.tree.span(root) : 0
  const end = last === LAST_INDEX ? LAST_TRACED : last
  if (traced) traceFile(kernel, Trace.WritebackRange, inode, first, end)
  tagRangeForWriteback(kernel.tree, root, first, last)
  const { cursor } = kernel.batch
  let error: Errno = 0
  let lost: Errno = 0
  for (let index = first; error === 0 && kernel.tree.nextMarked(root, index, last, Mark.ToWrite, cursor);) {
    const next = cursor.after()
    const written = writebackBatch(kernel, inode, last, traced)
    if (written === LOST) lost = LOST
    else error = written
    index = next
  }
  awaitOthers(kernel, inode, first, last)
  unlockPages(kernel, inode)
  if (traced) traceFile(kernel, Trace.WritebackRangeDone, inode, span, end)
  error ||= lost
  if (error < 0) kernel.inodes.recordError(inode, error === LOST ? ErrorNumber.EIO : -error)
  return error
}

/**
 * Pages [first, last] are about to leave the file, and the entries over them with them. A 2 MiB entry that reaches
 * beyond the range may be dirty for pages that stay: those stores must not be forgotten with it.
 *
 * Context: exclusive range held, no entry lock; sleeps. Return: 0 or -errno.
 */
export function saveAcross(kernel: Kernel, inode: number, first: number, last: number): Errno {
  for (const index of [first, last]) {
    const start = index - (index % Page.PmdPages)
    lockPages(kernel, inode)
    const entry = index <= LAST_INDEX ? kernel.tree.load(rootOf(kernel, inode), index) : NULL_ENTRY
    unlockPages(kernel, inode)
    const within = start >= first && start + Page.PmdPages - 1 <= last
    if (entry === NULL_ENTRY || orderOf(entry) === 0 || within) continue
    const error = saveRange(kernel, inode, start, start + Page.PmdPages - 1, false)
    if (error < 0 && error !== LOST) return error
  }
  return 0
}

/**
 * Wait for the pages of the range that another sync took: between the tagging and the scan, it may have cleared TOWRITE
 * and have the entry locked still. DIRTY goes last, so such an entry is DIRTY and locked; so is one that a fault works
 * on, which is waited for in vain. Each is waited for once: what is locked again was written meanwhile. When the other
 * sync fails, its error is the file's, and each open of the file is told.
 *
 * Context: i_pages held on entry and on return, dropped while sleeping.
 */
function awaitOthers(kernel: Kernel, inode: number, first: number, last: number): void {
  const { tree, batch } = kernel
  const { cursor } = batch
  const root = rootOf(kernel, inode)
  for (let index = first; tree.nextMarked(root, index, last, Mark.Dirty, cursor);) {
    index = cursor.after()
    if (!isLocked(cursor.entry)) continue
    waitEntryUnlocked(kernel, inode, cursor.index, cursor.entry)
    lockPages(kernel, inode)
  }
}

/**
 * Write back the entry the scan of this thread found (dax_writeback_one), and as many behind it up to `last` as can be
 * had at once.
 *
 * Context: i_pages held on entry and on return, dropped in between.
 * Return: 0 (also when there was nothing left to do), LOST or -errno.
 */
function writebackBatch(kernel: Kernel, inode: number, last: number, traced: boolean): Errno {
  const { batch } = kernel
  const locked = lockFirst(kernel, inode)
  if (locked <= 0) return locked
  if (batch.runs.pages === 1) lockMore(kernel, inode, last)
  unlockPages(kernel, inode)

  const pages = batch.runs.pages / batch.count
  for (let i = 0; traced && i < batch.count; i++) traceFile(kernel, Trace.WritebackOne, inode, batch.index(i), pages)
  let error = kernel.pageTable.protectRuns(inode, batch.runs)
  if (error >= 0) error = flushRuns(kernel, inode, batch.runs)
  kernel.threads.count(kernel.self, Counter.PagesWritten, batch.runs.pages)

  lockPages(kernel, inode)
  // What did get to media of a batch that failed is found equal by the next sync.
  unlockBatch(kernel, inode, error >= 0 || error === LOST)
  return error < 0 ? error : 0
}

/**
 * Make the entry the scan found the first of the batch.
 * Context: i_pages held on entry and on return, dropped while the entry is locked.
 * Return: 1 with it locked, 0 when there is nothing left to do, or -errno.
 */
function lockFirst(kernel: Kernel, inode: number): Errno {
  const { tree, batch } = kernel
  const root = rootOf(kernel, inode)
  const { index, order, entry: seen } = batch.cursor
  let { place } = batch.cursor
  let entry = seen
  if (isLocked(seen)) {
    entry = getUnlockedEntry(kernel, inode, index)
    if (entry === NULL_ENTRY) return 0
    // Storage moved, another sync did it, or it became something else: whoever changed it tracks it (S1.6).
    if (pfnOf(entry) !== pfnOf(seen) || orderOf(entry) !== order || !tree.getMark(root, index, Mark.ToWrite)) {
      putUnlockedEntry(kernel, inode, index, entry)
      return 0
    }
    place = tree.placeOf(root, index)
  }
  if (isZero(entry) || isEmpty(entry)) {
    // K6: no such entry is ever dirty. An error, not a crash (S1.11).
    putUnlockedEntry(kernel, inode, index, entry)
    return -ErrorNumber.EIO
  }
  lockEntry(kernel, inode, index, entry)
  tree.clearMarkAt(root, index, place, Mark.ToWrite)
  batch.clear()
  batch.add(index, 1 << order, place)
  batch.cursor.place = place
  return 1
}

/**
 * Lock the 4 KiB entries with TOWRITE behind the first one, clear it, and add them to the batch; end at the first that
 * is locked already, or is another's kind of work.
 * Context: i_pages held since the first was locked.
 */
function lockMore(kernel: Kernel, inode: number, last: number): void {
  const { tree, batch } = kernel
  const { cursor } = batch
  const root = rootOf(kernel, inode)
  while (batch.count < BATCH_PAGES && tree.nextMarkedNeighbour(root, last, Mark.ToWrite, cursor)) {
    const { index, order, entry, place } = cursor
    if (isLocked(entry) || order !== 0 || isZero(entry) || isEmpty(entry)) return
    lockNextEntry(kernel, root, index, place, entry)
    tree.clearMarkAt(root, index, place, Mark.ToWrite)
    batch.add(index, 1, place)
  }
}

/** Context: i_pages held. */
function unlockBatch(kernel: Kernel, inode: number, clean: boolean): void {
  const { tree, batch } = kernel
  const root = rootOf(kernel, inode)
  for (let i = 0; i < batch.count; i++) {
    const index = batch.index(i)
    const place = batch.place(i)
    if (clean && !tree.getMarkAt(root, index, place, Mark.ToWrite)) tree.clearMarkAt(root, index, place, Mark.Dirty)
    unlockEntryAt(kernel, inode, index, place)
  }
}

/**
 * Cache to media for all pages of a batch; bad pages are passed over.
 * Context: the pages are in the cache and stay there. Return: 0, LOST when there was a bad page, or -errno.
 */
function flushRuns(kernel: Kernel, inode: number, runs: PageRuns): Errno {
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

/**
 * Cache to media, by line, superseding older snapshots; bad pages are passed over.
 * Context: the bytes are in the cache and stay there. Return: 0, LOST when there was a bad page, or -errno.
 */
function flushBytes(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  const last = Math.ceil((offset + length) / Page.Size)
  let at = offset
  let bad = nextKnownBad(kernel, inode, Math.floor(offset / Page.Size), last)
  if (bad < 0) return flushGood(kernel, inode, offset, length)
  for (; bad >= 0; bad = nextKnownBad(kernel, inode, bad + 1, last)) {
    const error = at < bad * Page.Size ? flushGood(kernel, inode, at, bad * Page.Size - at) : 0
    if (error < 0) return error
    at = (bad + 1) * Page.Size
  }
  const error = at < offset + length ? flushGood(kernel, inode, at, offset + length - at) : 0
  return error < 0 ? error : LOST
}

function flushGood(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  return kernel.pending.supersede(inode, offset, length, () =>
    kernel.media.writeback(inode, offset, length, kernel.inodes.sizeOf(inode)),
  )
}

/** Unfenced writes are noted in lines, so that neighbouring small writes become one extent. */
const LINE = Page.LineSize

/**
 * Note that write(2) put bytes of the file on their way: non-temporal stores, no flush needed, a fence still is (K74).
 * Context: i_rwsem held exclusively; takes ilock. Return: 0 or -errno (pool of extents exhausted).
 */
export function noteUnfenced(kernel: Kernel, inode: number, offset: number, length: number): Errno {
  const at = kernel.inodes.at(inode)
  const first = Math.floor(offset / LINE)
  const count = Math.ceil((offset + length) / LINE) - first
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = kernel.unfenced.insert(at + InodeWord.UnfencedRoot, first, count, 0, 0)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}

/**
 * The fence of a sync: what write(2) put on its way is on media when this returns.
 *
 * One sync at a time: a second one that finds the set empty may not return before the first has written what it took.
 * A range leaves the set only after it was written, so an error keeps it for the next sync. No write(2) may come in
 * between: what it notes of the same lines would leave the set unwritten. Hence i_rwsem, shared.
 *
 * Context: holds no entry lock; takes i_rwsem shared, the Sync mutex over host writes, and ilock inside it.
 * Return: 0, LOST when bad pages were among it, or -errno.
 */
export function drainUnfenced(kernel: Kernel, inode: number): Errno {
  const rwsem = kernel.inodes.at(inode) + InodeWord.Rwsem
  readLock(kernel.words, rwsem)
  try {
    return drainUnfencedLocked(kernel, inode)
  } finally {
    readUnlock(kernel.words, rwsem)
  }
}

/** drainUnfenced for a caller that holds i_rwsem. */
export function drainUnfencedLocked(kernel: Kernel, inode: number): Errno {
  const at = kernel.inodes.at(inode)
  const root = at + InodeWord.UnfencedRoot
  const range = new ExtentCursor()
  let error: Errno = 0
  let lost: Errno = 0
  mutexLock(kernel.words, at + InodeWord.Sync)
  while (error >= 0) {
    mutexLock(kernel.words, at + InodeWord.Blocks)
    const found = kernel.unfenced.findFrom(root, 0, range)
    mutexUnlock(kernel.words, at + InodeWord.Blocks)
    if (!found) break
    const { start, length } = range
    error = flushBytes(kernel, inode, start * LINE, length * LINE)
    if (error < 0 && error !== LOST) break
    if (error === LOST) lost = LOST
    mutexLock(kernel.words, at + InodeWord.Blocks)
    error = kernel.unfenced.remove(root, start, length)
    mutexUnlock(kernel.words, at + InodeWord.Blocks)
  }
  mutexUnlock(kernel.words, at + InodeWord.Sync)
  if (error >= 0) error = lost
  if (error < 0) kernel.inodes.recordError(inode, error === LOST ? ErrorNumber.EIO : -error)
  return error
}

/** Forget unfenced writes at or past `offset`. Context: caller holds the Sync mutex; takes ilock. */
export function dropUnfenced(kernel: Kernel, inode: number, from: number, to: number): Errno {
  const at = kernel.inodes.at(inode)
  const first = Math.ceil(from / LINE)
  const last = to === Infinity ? Number.MAX_SAFE_INTEGER : Math.floor(to / LINE)
  if (first >= last) return 0
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const error = kernel.unfenced.remove(at + InodeWord.UnfencedRoot, first, last - first)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return error
}
