/**
 * The range lock of a file (D7): shared for faults on their pages, exclusive for truncate, punch, collapse, insert,
 * and, under the policies that want it so, for faults as well (dax/locking.ts).
 *
 *   record    3 words in the inode: mutex, number of exclusive ranges, sequence (what shared and exclusive wait on)
 *   holders   the slots SharedInode… and ExclusiveInode… of the thread records; no list to maintain
 *   init      zero words are a free lock
 *
 * Faults come a hundred thousand a second, truncates rarely, so the shared side is two stores and a load: publish the
 * range in the own slot, then look whether anyone is exclusive. The exclusive side first counts itself, then looks at
 * the slots. Both steps are sequentially consistent, so at least one of two racing threads sees the other.
 *
 * Exclusive ranges are first come, first served (S3.5: the range lock that was proposed, an interval tree under a
 * spinlock, does the same). Under the mutex a thread counts the overlapping ranges that are there already, publishes
 * its own with that number, and sleeps in its own record until it is 0. Who unlocks takes 1 from each overlapping range
 * that is left: he had the lock, so all of them came after him. So an unlock wakes the threads that can go on and no
 * others, and a truncate waits for the faults before it, not for those after it. A whole file as the range is a fair
 * rwsem.
 *
 * Misuse is a bug that throws (S3.6): a second range of one kind in a thread, unlocking what this thread does not hold,
 * or holds of another file, sleeping for a range with an entry lock held.
 *
 * Lock order: outside entry locks. A shared holder never waits for this lock, an exclusive one may for entry locks.
 */
import { BugError, assert } from '../assert.js'
import { mutexLock, mutexUnlock } from './mutex.js'
import type { SharedWords } from './shared-words.js'
import { type Threads, ThreadWord } from './threads.js'

export const enum RangeLockWord {
  Mutex = 0,
  Exclusive = 1,
  Sequence = 2,
  Size = 3,
}

export class RangeLock {
  constructor(
    private readonly words: SharedWords,
    private readonly threads: Threads,
  ) {}

  /**
   * Context: never sleeps; `thread` holds no shared range.
   * Return: true with [first, last] held shared, false when an exclusive holder overlaps.
   */
  tryShared(thread: number, inode: number, lock: number, first: number, last: number): boolean {
    const record = this.threads.at(thread)
    assert(this.words.get(record + ThreadWord.SharedInode) === 0, 'a second shared range', thread)
    // Plain: the atomic store of the inode publishes them.
    this.words.set(record + ThreadWord.SharedFirst, first | 0)
    this.words.set(record + ThreadWord.SharedLast, last | 0)
    this.words.store(record + ThreadWord.SharedInode, inode)
    if (this.words.load(lock + RangeLockWord.Exclusive) === 0) return true
    mutexLock(this.words, lock + RangeLockWord.Mutex)
    const blocked = this.#countExclusive(thread, inode, first, last) > 0
    mutexUnlock(this.words, lock + RangeLockWord.Mutex)
    if (blocked) this.unlockShared(thread, inode, lock)
    return !blocked
  }

  /** Context: may sleep; holds no entry lock. Return: with [first, last] held shared. */
  lockShared(thread: number, inode: number, lock: number, first: number, last: number): void {
    while (!this.tryShared(thread, inode, lock, first, last)) {
      // Stepping back moved the sequence on, and woke whoever sleeps on it. So sleep on what it is now, and publish
      // nothing before the way is free: two that wait would keep waking each other.
      for (;;) {
        const sequence = this.words.load(lock + RangeLockWord.Sequence)
        mutexLock(this.words, lock + RangeLockWord.Mutex)
        const blocked = this.#countExclusive(thread, inode, first, last) > 0
        mutexUnlock(this.words, lock + RangeLockWord.Mutex)
        if (!blocked) break
        this.#sleep(thread, lock + RangeLockWord.Sequence, sequence)
      }
    }
  }

  /** Context: never sleeps; `thread` holds a shared range of this inode. */
  unlockShared(thread: number, inode: number, lock: number): void {
    const record = this.threads.at(thread)
    if (this.words.get(record + ThreadWord.SharedInode) !== inode) this.#notHeld('shared', thread, inode)
    this.words.store(record + ThreadWord.SharedInode, 0)
    // The exclusive side counted itself before it looked at the slots: if it saw ours, we see its count.
    if (this.words.load(lock + RangeLockWord.Exclusive) !== 0) this.#advance(lock)
  }

  /**
   * Context: never sleeps; `thread` holds no range.
   * Return: true with [first, last] held exclusively, false when somebody holds or waits for a part of it.
   */
  tryExclusive(thread: number, inode: number, lock: number, first: number, last: number): boolean {
    this.#requireNoExclusive(thread)
    mutexLock(this.words, lock + RangeLockWord.Mutex)
    const blocked = this.#countExclusive(thread, inode, first, last) > 0
    if (!blocked) this.#publishExclusive(thread, inode, lock, first, last, 0)
    mutexUnlock(this.words, lock + RangeLockWord.Mutex)
    if (blocked) return false
    for (let id = 1; id <= this.threads.highest; id++) {
      if (!this.#sharedOverlaps(id, inode, first, last)) continue
      this.unlockExclusive(thread, inode, lock)
      return false
    }
    return true
  }

  /**
   * Context: may sleep; holds no entry lock and no range.
   * Return: with [first, last] held exclusively: no fault on these pages is being served.
   */
  lockExclusive(thread: number, inode: number, lock: number, first: number, last: number): void {
    this.#requireNoExclusive(thread)
    mutexLock(this.words, lock + RangeLockWord.Mutex)
    const before = this.#countExclusive(thread, inode, first, last)
    this.#publishExclusive(thread, inode, lock, first, last, before)
    mutexUnlock(this.words, lock + RangeLockWord.Mutex)
    const blockers = this.threads.at(thread) + ThreadWord.ExclusiveBlockers
    for (let left = before; left !== 0; left = this.words.load(blockers)) this.#sleep(thread, blockers, left)
    for (let id = 1; id <= this.threads.highest; id++) {
      for (;;) {
        const sequence = this.words.load(lock + RangeLockWord.Sequence)
        if (!this.#sharedOverlaps(id, inode, first, last)) break
        this.#sleep(thread, lock + RangeLockWord.Sequence, sequence)
      }
    }
  }

  /** Context: never sleeps; `thread` holds an exclusive range of this inode. */
  unlockExclusive(thread: number, inode: number, lock: number): void {
    const { words } = this
    const record = this.threads.at(thread)
    mutexLock(words, lock + RangeLockWord.Mutex)
    const held = words.get(record + ThreadWord.ExclusiveInode) === inode
    if (held) {
      const first = words.get(record + ThreadWord.ExclusiveFirst) >>> 0
      const last = words.get(record + ThreadWord.ExclusiveLast) >>> 0
      words.store(record + ThreadWord.ExclusiveInode, 0)
      words.add(lock + RangeLockWord.Exclusive, -1)
      for (let id = 1; id <= this.threads.highest; id++) {
        if (!this.#exclusiveOverlaps(id, inode, first, last)) continue
        const blockers = this.threads.at(id) + ThreadWord.ExclusiveBlockers
        if (words.add(blockers, -1) === 1) words.notify(blockers)
      }
    }
    mutexUnlock(words, lock + RangeLockWord.Mutex)
    if (!held) this.#notHeld('exclusive', thread, inode)
    this.#advance(lock)
  }

  #advance(lock: number): void {
    this.words.add(lock + RangeLockWord.Sequence, 1)
    this.words.notify(lock + RangeLockWord.Sequence)
  }

  #sleep(thread: number, at: number, value: number): void {
    const held = this.words.get(this.threads.at(thread) + ThreadWord.EntryLocks)
    assert(held === 0, 'waiting for a range while holding an entry lock', { thread })
    this.words.wait(at, value)
  }

  #requireNoExclusive(thread: number): void {
    const held = this.words.get(this.threads.at(thread) + ThreadWord.ExclusiveInode)
    assert(held === 0, 'a second exclusive range', thread)
  }

  #notHeld(kind: string, thread: number, inode: number): never {
    const record = this.threads.at(thread)
    const holds = (at: ThreadWord): unknown => ({
      inode: this.words.load(record + at),
      first: this.words.load(record + at + 1) >>> 0,
      last: this.words.load(record + at + 2) >>> 0,
    })
    throw new BugError(`unlock of a range not held (${kind})`, {
      thread,
      inode,
      shared: holds(ThreadWord.SharedInode),
      exclusive: holds(ThreadWord.ExclusiveInode),
    })
  }

  /** Context: range mutex held; the calling thread has no exclusive range yet. */
  #publishExclusive(t: number, inode: number, lock: number, first: number, last: number, blockers: number): void {
    const record = this.threads.at(t)
    this.words.store(record + ThreadWord.ExclusiveBlockers, blockers)
    this.words.store(record + ThreadWord.ExclusiveFirst, first | 0)
    this.words.store(record + ThreadWord.ExclusiveLast, last | 0)
    this.words.store(record + ThreadWord.ExclusiveInode, inode)
    this.words.add(lock + RangeLockWord.Exclusive, 1)
  }

  /** Context: range mutex held. Return: how many exclusive ranges, held or waited for, overlap this one. */
  #countExclusive(self: number, inode: number, first: number, last: number): number {
    let count = 0
    for (let id = 1; id <= this.threads.highest; id++) {
      if (id !== self && this.#exclusiveOverlaps(id, inode, first, last)) count++
    }
    return count
  }

  /** Context: range mutex held. */
  #exclusiveOverlaps(id: number, inode: number, first: number, last: number): boolean {
    const record = this.threads.at(id)
    if (this.words.load(record + ThreadWord.ExclusiveInode) !== inode) return false
    const otherFirst = this.words.load(record + ThreadWord.ExclusiveFirst) >>> 0
    const otherLast = this.words.load(record + ThreadWord.ExclusiveLast) >>> 0
    return otherFirst <= last && first <= otherLast
  }

  #sharedOverlaps(id: number, inode: number, first: number, last: number): boolean {
    const record = this.threads.at(id)
    if (this.words.load(record + ThreadWord.SharedInode) !== inode) return false
    const otherFirst = this.words.load(record + ThreadWord.SharedFirst) >>> 0
    const otherLast = this.words.load(record + ThreadWord.SharedLast) >>> 0
    return otherFirst <= last && first <= otherLast
  }
}
