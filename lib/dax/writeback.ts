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
 */
import { ErrorNumber, type Errno } from '../errors.js'
import { Page, PGOFF_LIMIT } from '../constants.js'
import { Counter } from '../stats.js'
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
import { collectStores } from './collect-stores.js'
import { LOST, flushRuns, noteRunsTold, withLost } from './flush-bytes.js'
import type { Kernel } from './kernel.js'
import { Trace } from '../trace/tracepoints.js'
import { traceFile } from './trace.js'
import { BATCH_PAGES } from './writeback-batch.js'

/** LLONG_MAX in pages: what the kernel traces as the end of a whole file. */
const LAST_TRACED = 2 ** 51 - 1
const LAST_INDEX = PGOFF_LIMIT - 1

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
  error = withLost(error, lost)
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
  if (error === LOST) noteRunsTold(kernel, inode, batch.runs)
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
