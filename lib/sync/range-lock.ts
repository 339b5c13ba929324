/**
 * The range lock of a file (D7): shared for faults on their pages, exclusive for truncate, punch, collapse, insert.
 *
 *   record    3 words in the inode: mutex, number of exclusive holders, sequence (the wait word)
 *   holders   the slots SharedInode… and ExclusiveInode… of the thread records; no list to maintain
 *   init      zero words are a free lock
 *
 * Faults come a hundred thousand a second, truncates rarely, so the shared side is two stores and a load: publish the
 * range in the own slot, then look whether anyone is exclusive. The exclusive side first counts itself, then looks at
 * the slots. Both steps are sequentially consistent, so at least one of two racing threads sees the other.
 *
 * Lock order: outside entry locks. A shared holder never waits for this lock, an exclusive one may for entry locks.
 */
import { assert } from '../assert.js'
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
    const blocked = this.#exclusiveOverlaps(thread, inode, first, last)
    mutexUnlock(this.words, lock + RangeLockWord.Mutex)
    if (blocked) this.unlockShared(thread, lock)
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
        const blocked = this.#exclusiveOverlaps(thread, inode, first, last)
        mutexUnlock(this.words, lock + RangeLockWord.Mutex)
        if (!blocked) break
        this.#sleep(thread, lock, sequence)
      }
    }
  }

  /** Context: never sleeps. */
  unlockShared(thread: number, lock: number): void {
    this.words.store(this.threads.at(thread) + ThreadWord.SharedInode, 0)
    // The exclusive side counted itself before it looked at the slots: if it saw ours, we see its count.
    if (this.words.load(lock + RangeLockWord.Exclusive) !== 0) this.#advance(lock)
  }

  /**
   * Context: may sleep; holds no entry lock and no shared range.
   * Return: with [first, last] held exclusively: no fault on these pages is being served.
   */
  lockExclusive(thread: number, inode: number, lock: number, first: number, last: number): void {
    const record = this.threads.at(thread)
    assert(this.words.get(record + ThreadWord.ExclusiveInode) === 0, 'a second exclusive range', { thread })
    for (;;) {
      const sequence = this.words.load(lock + RangeLockWord.Sequence)
      mutexLock(this.words, lock + RangeLockWord.Mutex)
      const blocked = this.#exclusiveOverlaps(thread, inode, first, last)
      if (!blocked) {
        this.words.store(record + ThreadWord.ExclusiveFirst, first | 0)
        this.words.store(record + ThreadWord.ExclusiveLast, last | 0)
        this.words.store(record + ThreadWord.ExclusiveInode, inode)
        this.words.add(lock + RangeLockWord.Exclusive, 1)
      }
      mutexUnlock(this.words, lock + RangeLockWord.Mutex)
      if (!blocked) break
      this.#sleep(thread, lock, sequence)
    }
    for (let id = 1; id <= this.threads.highest; id++) {
      for (;;) {
        const sequence = this.words.load(lock + RangeLockWord.Sequence)
        if (!this.#sharedOverlaps(id, inode, first, last)) break
        this.#sleep(thread, lock, sequence)
      }
    }
  }

  /** Context: never sleeps. */
  unlockExclusive(thread: number, lock: number): void {
    const record = this.threads.at(thread)
    mutexLock(this.words, lock + RangeLockWord.Mutex)
    assert(this.words.get(record + ThreadWord.ExclusiveInode) !== 0, 'unlock of a range not held', { thread })
    this.words.store(record + ThreadWord.ExclusiveInode, 0)
    this.words.add(lock + RangeLockWord.Exclusive, -1)
    mutexUnlock(this.words, lock + RangeLockWord.Mutex)
    this.#advance(lock)
  }

  #advance(lock: number): void {
    this.words.add(lock + RangeLockWord.Sequence, 1)
    this.words.notify(lock + RangeLockWord.Sequence)
  }

  #sleep(thread: number, lock: number, sequence: number): void {
    const held = this.words.get(this.threads.at(thread) + ThreadWord.EntryLocks)
    assert(held === 0, 'waiting for a range while holding an entry lock', { thread })
    this.words.wait(lock + RangeLockWord.Sequence, sequence)
  }

  /** Context: range mutex held. */
  #exclusiveOverlaps(self: number, inode: number, first: number, last: number): boolean {
    for (let id = 1; id <= this.threads.highest; id++) {
      const record = this.threads.at(id)
      if (id === self || this.words.load(record + ThreadWord.ExclusiveInode) !== inode) continue
      const otherFirst = this.words.load(record + ThreadWord.ExclusiveFirst) >>> 0
      const otherLast = this.words.load(record + ThreadWord.ExclusiveLast) >>> 0
      if (otherFirst <= last && first <= otherLast) return true
    }
    return false
  }

  #sharedOverlaps(id: number, inode: number, first: number, last: number): boolean {
    const record = this.threads.at(id)
    if (this.words.load(record + ThreadWord.SharedInode) !== inode) return false
    const otherFirst = this.words.load(record + ThreadWord.SharedFirst) >>> 0
    const otherLast = this.words.load(record + ThreadWord.SharedLast) >>> 0
    return otherFirst <= last && first <= otherLast
  }
}
