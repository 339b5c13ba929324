/**
 * Taking and giving back the entry lock: the LOCKED bit of an entry word, and the queue of those who wait for it.
 *
 * Conventions in this file
 *   inode   the file, and the "mapping" of the wait key
 *   index   page index in the file; the wait key uses the first index of the entry (K10)
 *   entry   the word as it is in the tree at that moment; it is worthless once the lock is dropped, unless it is LOCKED
 *   pages   the inode's i_pages mutex, which guards the tree; every change of an entry word is made under it
 *
 * The contract of the queue (K15, S0.4, S2.6): who was woken exclusively must lock the entry (unlock wakes the next)
 * or call putUnlockedEntry. Who finds the entry gone passes nothing on, so whoever removed it must wake everyone.
 */
import { BugError, assert } from '../assert.js'
import { ErrorNumber } from '../errors.js'
import { Page } from '../constants.js'
import { InodeWord } from '../mm/inode.js'
import { Counter } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { ThreadWord } from '../sync/threads.js'
import { Wake } from '../sync/wait-table.js'
import { Cursor } from '../tree/cursor.js'
import {
  type Entry,
  NULL_ENTRY,
  emptyEntry,
  errorEntry,
  isData,
  isErrorEntry,
  isLocked,
  isPmd,
  isZero,
  lockedEntry,
  orderOf,
  unlockedEntry,
} from '../tree/entry.js'
import { dumpTree } from '../tree/dump.js'
import type { Kernel } from './kernel.js'
import { Trace } from '../trace/tracepoints.js'
import { traceFile } from './trace.js'

/** Context: takes i_pages; never sleeps longer than another thread's tree operation. */
export function lockPages(kernel: Kernel, inode: number): void {
  mutexLock(kernel.words, kernel.inodes.at(inode) + InodeWord.Pages)
}

export function unlockPages(kernel: Kernel, inode: number): void {
  mutexUnlock(kernel.words, kernel.inodes.at(inode) + InodeWord.Pages)
}

/** Word address of the root record of a file's tree. */
export function rootOf(kernel: Kernel, inode: number): number {
  return kernel.inodes.at(inode) + InodeWord.TreeRoot
}

/** First index the entry at `index` answers for: the wait key (K10, S2.12). */
export function startOf(index: number, entry: Entry): number {
  const pages = 1 << orderOf(entry)
  return index - (index % pages)
}

/**
 * Wait until the entry at `index` is unlocked or gone (get_next_unlocked_entry, for the entry at one index).
 * Context: i_pages held on entry and on return, dropped while sleeping; `maySleep` false makes it give up instead.
 * Return: the unlocked entry, NULL_ENTRY when there is none, or errorEntry(EAGAIN) when it would have had to sleep.
 */
export function getUnlockedEntry(kernel: Kernel, inode: number, index: number, maySleep = true): Entry {
  const root = rootOf(kernel, inode)
  for (;;) {
    const entry = kernel.tree.load(root, index)
    if (entry === NULL_ENTRY || !isLocked(entry)) return entry
    kernel.threads.count(kernel.self, Counter.LockedEntries, 1)
    if (!maySleep) return errorEntry(ErrorNumber.EAGAIN)
    // Queued under the lock that showed us LOCKED: the unlocker, who needs the same lock, cannot miss us (K17).
    kernel.waits.prepare(kernel.self, inode, startOf(index, entry), true)
    unlockPages(kernel, inode)
    kernel.waits.sleep(kernel.self)
    lockPages(kernel, inode)
  }
}

/**
 * Wait once for someone else's entry lock, without a place in the order of those who want it (wait_entry_unlocked;
 * K14): who waits here may find on waking that the page is no longer what it came for, and passes no wake-up on.
 * Context: i_pages held on entry and dropped on return. The inode may be another file's by then: look again from the
 * page, not from the entry (B26).
 */
export function waitEntryUnlocked(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  kernel.waits.prepare(kernel.self, inode, startOf(index, entry), false)
  unlockPages(kernel, inode)
  kernel.waits.sleep(kernel.self)
}

/**
 * Looked at it, and does not lock it after all: pass the wake-up on (put_unlocked_entry).
 * Context: i_pages held.
 */
export function putUnlockedEntry(kernel: Kernel, inode: number, index: number, entry: Entry, mode = Wake.Next): void {
  if (entry !== NULL_ENTRY) wakeEntry(kernel, inode, index, entry, mode)
}

/** Context: i_pages held, or the entry was changed under it before (dax_wake_entry). */
export function wakeEntry(kernel: Kernel, inode: number, index: number, entry: Entry, mode: Wake): void {
  kernel.waits.wake(inode, startOf(index, entry), mode)
}

/**
 * Lock an entry that is in the tree unlocked (dax_lock_entry).
 * Context: i_pages held; the calling thread holds no other entry lock.
 * Return: the entry as it is now.
 */
export function lockEntry(kernel: Kernel, inode: number, index: number, entry: Entry): Entry {
  if (isLocked(entry)) bug('lockEntry of a locked entry', kernel, inode)
  const root = rootOf(kernel, inode)
  const start = startOf(index, entry)
  const place = kernel.tree.placeOf(root, start)
  const locked = lockedEntry(entry)
  kernel.tree.replaceAt(root, start, place, locked)
  holdEntryLock(kernel, root, start, place)
  return locked
}

/**
 * Lock one more entry for a thread that has locked the one before it, without ever waiting for it: for work that is
 * cheaper done for neighbours together. Whoever holds several takes no further lock that anyone sleeps with, and lets
 * go of all of them together, so it cannot be in a circle of waiters.
 * Context: i_pages held since the first of them was locked; `entry`, of order 0, is at `place`, and unlocked.
 */
export function lockNextEntry(kernel: Kernel, root: number, index: number, place: number, entry: Entry): void {
  assert(!isLocked(entry), 'lockNextEntry of a locked entry', index)
  kernel.tree.replaceAt(root, index, place, lockedEntry(entry))
  const at = kernel.threads.at(kernel.self) + ThreadWord.EntryLocks
  assert(kernel.words.get(at) > 0, 'a further entry lock of a thread that holds none', kernel.self)
  kernel.words.set(at, kernel.words.get(at) + 1)
}

/**
 * Unlock the entry the caller locked, and wake one waiter (dax_unlock_entry; T10).
 * `entry` is the word as the caller last stored it.
 * Context: takes i_pages; never sleeps otherwise. The page table was changed before: a woken thread may rely on it.
 */
export function unlockEntry(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  lockPages(kernel, inode)
  unlockEntryLocked(kernel, inode, index, entry)
  unlockPages(kernel, inode)
}

/** unlockEntry for a caller that holds i_pages already. */
export function unlockEntryLocked(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  const start = startOf(index, entry)
  const root = rootOf(kernel, inode)
  const place = kernel.held.placeIn(kernel.tree, root, start)
  const held = place !== 0 && kernel.tree.entryAt(place) === lockedEntry(entry)
  if (!held) bug('unlock of an entry not locked', kernel, inode)
  kernel.tree.replaceAt(root, start, place, unlockedEntry(entry))
  releaseEntryLock(kernel)
  wakeEntry(kernel, inode, index, entry, Wake.Next)
}

/**
 * Unlock one of the entries the caller locked, as it is in the tree, and wake one waiter.
 * Context: i_pages held. index: its first; place: since it was locked.
 */
export function unlockEntryAt(kernel: Kernel, inode: number, index: number, place: number): void {
  const entry = kernel.tree.entryAt(place)
  if (!isLocked(entry)) bug('unlock of an entry not locked', kernel, inode)
  kernel.tree.replaceAt(rootOf(kernel, inode), index, place, unlockedEntry(entry))
  releaseEntryLock(kernel)
  kernel.waits.wake(inode, index, Wake.Next)
}

/**
 * Get the entry of one page locked, making an EMPTY one if there is none (grab_mapping_entry, order 0; T1, T3, K20).
 * The answer may be a 2 MiB data entry, which is then locked as a whole. A 2 MiB entry without data makes way (T5).
 * The lock comes before any question to the file system (S0.3): whoever asks for blocks asks alone.
 *
 * Context: takes i_pages; sleeps while the entry is locked unless `maySleep` is false; holds no entry lock on entry.
 * Return: the locked entry; errorEntry(EAGAIN) when it would have had to sleep, errorEntry(ENOMEM) if the node pool is
 * exhausted.
 */
export function grabEntry(kernel: Kernel, inode: number, index: number, maySleep: boolean): Entry {
  lockPages(kernel, inode)
  let entry = getUnlockedEntry(kernel, inode, index, maySleep)
  while (entry !== NULL_ENTRY && !isErrorEntry(entry) && isPmd(entry) && !isData(entry)) {
    downgradeEntry(kernel, inode, index, entry)
    entry = getUnlockedEntry(kernel, inode, index, maySleep)
  }
  let grabbed: Entry
  if (isErrorEntry(entry)) grabbed = entry
  else if (entry !== NULL_ENTRY) grabbed = lockEntry(kernel, inode, index, entry)
  else grabbed = addEmptyEntry(kernel, inode, index, 0)
  unlockPages(kernel, inode)
  return grabbed
}

/**
 * Get the 2 MiB entry at `start`, a multiple of 512, locked, making an EMPTY one if nothing is there
 * (grab_mapping_entry, order 9; T2, T3). Any 4 KiB entry in the range is a conflict, locked or not: the fault falls
 * back at once, without waiting (T4, S2.9; looked at before the lock bit, after the test for nothing: B21).
 *
 * Context: as grabEntry. Return: as grabEntry; errorEntry(EEXIST) for a conflict.
 */
export function grabHugeEntry(kernel: Kernel, inode: number, start: number, maySleep: boolean): Entry {
  const root = rootOf(kernel, inode)
  const cursor = new Cursor()
  lockPages(kernel, inode)
  let grabbed: Entry = NULL_ENTRY
  while (grabbed === NULL_ENTRY) {
    if (!kernel.tree.conflict(root, start, Page.PmdOrder, cursor)) {
      grabbed = addEmptyEntry(kernel, inode, start, Page.PmdOrder)
    } else if (cursor.order !== Page.PmdOrder) {
      kernel.threads.count(kernel.self, Counter.HugeConflicts, 1)
      grabbed = errorEntry(ErrorNumber.EEXIST)
    } else {
      const entry = getUnlockedEntry(kernel, inode, start, maySleep)
      // It may have been replaced by 4 KiB entries while we slept: look again before locking.
      if (isErrorEntry(entry)) grabbed = entry
      else if (entry !== NULL_ENTRY && isPmd(entry)) grabbed = lockEntry(kernel, inode, start, entry)
      else putUnlockedEntry(kernel, inode, start, entry)
    }
  }
  unlockPages(kernel, inode)
  return grabbed
}

/** Context: i_pages held, nothing in the range. Return: the entry, locked, or errorEntry(ENOMEM). */
function addEmptyEntry(kernel: Kernel, inode: number, start: number, order: number): Entry {
  const entry = lockedEntry(emptyEntry(order !== 0))
  const root = rootOf(kernel, inode)
  const place = kernel.tree.insert(root, start, order, entry)
  if (place < 0) return errorEntry(ErrorNumber.ENOMEM)
  holdEntryLock(kernel, root, start, place)
  return entry
}

/**
 * T5: a 4 KiB fault meets a 2 MiB entry without data. Lock it, unmap its 2 MiB if they show the huge zero page, remove
 * it and wake everyone: sleepers wait on the key of the 2 MiB entry, which nobody will wake again (S2.4, S2.8).
 * Context: i_pages held on entry and on return, dropped while unmapping.
 */
function downgradeEntry(kernel: Kernel, inode: number, index: number, entry: Entry): void {
  const root = rootOf(kernel, inode)
  const start = startOf(index, entry)
  if (isZero(entry)) {
    lockEntry(kernel, inode, index, entry)
    unlockPages(kernel, inode)
    traceFile(kernel, Trace.UnmapMappingPages, inode, start, Page.PmdPages)
    kernel.pageTable.unmapPages(inode, start, Page.PmdPages)
    lockPages(kernel, inode)
    releaseEntryLock(kernel)
  }
  kernel.tree.store(root, start, Page.PmdOrder, NULL_ENTRY)
  wakeEntry(kernel, inode, index, entry, Wake.All)
}

/** Note that this thread holds an entry lock: every sleep asserts that it holds none (D4). */
function holdEntryLock(kernel: Kernel, root: number, start: number, place: number): void {
  const at = kernel.threads.at(kernel.self) + ThreadWord.EntryLocks
  assert(kernel.words.get(at) === 0, 'a second entry lock in one thread', kernel.self)
  kernel.words.set(at, 1)
  kernel.held.hold(root, start, place)
}

/** The entry the caller locked has left the tree or was unlocked. */
export function releaseEntryLock(kernel: Kernel): void {
  const at = kernel.threads.at(kernel.self) + ThreadWord.EntryLocks
  const held = kernel.words.get(at)
  assert(held > 0, 'unlock by a thread that holds no entry lock', kernel.self)
  kernel.words.set(at, held - 1)
  kernel.held.release()
}

/** A failed assertion of the fault path, out of line: a passing one costs a comparison and allocates nothing. */
function bug(message: string, kernel: Kernel, inode: number): never {
  throw new BugError(message, dumpTree(kernel.tree, rootOf(kernel, inode)))
}
