/**
 * Hashed wait queues for entry locks (rules K10–K17).
 *
 *   bucket    3 words: mutex, head, tail. The queue links thread records (WaitNext, WaitPrevious): first non-exclusive
 *             waiters, then exclusive ones, first come first out, so that a wake of one passes all of the others (K16)
 *   key       (mapping, index of the first page of the entry). Different keys share a bucket; a wake passes over them
 *   init      zero memory is a valid empty table
 *   size      any power of two; tests use 1, where everything collides
 *
 * Why no wake-up is lost: a waiter queues itself while it holds the lock under which it saw the entry locked (i_pages),
 * and a waker changes the entry under that same lock before it looks at the queue (K17). So whoever saw the entry
 * locked is in the queue by the time the waker looks, or sees it unlocked.
 */
import { assert } from '../assert.js'
import { mutexLock, mutexUnlock } from './mutex.js'
import type { SharedWords } from './shared-words.js'
import { type Threads, ThreadWord } from './threads.js'

export const enum Wake {
  /** One exclusive waiter, and every non-exclusive one. For a lock that became free: only one can have it. */
  Next = 0,
  /** Everyone. For an entry that is gone or changed size: the woken pass nothing on (K15, K16). */
  All = 1,
}

const enum BucketWord {
  Mutex = 0,
  Head = 1,
  Tail = 2,
  Size = 3,
}

export class WaitTable {
  static wordsFor(buckets: number): number {
    return buckets * BucketWord.Size
  }

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    private readonly buckets: number,
    private readonly threads: Threads,
  ) {
    assert(buckets > 0 && (buckets & (buckets - 1)) === 0, 'wait table size must be a power of two', { buckets })
  }

  /**
   * Join the queue of (mapping, index).
   * Context: caller holds the lock under which it saw the entry locked; never sleeps (bucket mutex only).
   */
  prepare(thread: number, mapping: number, index: number, exclusive: boolean): void {
    const { words } = this
    const record = this.threads.at(thread)
    words.store(record + ThreadWord.Wake, 0)
    words.set(record + ThreadWord.WaitMapping, mapping)
    words.set(record + ThreadWord.WaitIndex, index | 0)
    words.set(record + ThreadWord.WaitExclusive, exclusive ? 1 : 0)
    const bucket = this.#bucketOf(mapping, index)
    mutexLock(words, bucket + BucketWord.Mutex)
    if (exclusive) this.#link(bucket, thread, words.get(bucket + BucketWord.Tail), 0)
    else this.#link(bucket, thread, 0, words.get(bucket + BucketWord.Head))
    mutexUnlock(words, bucket + BucketWord.Mutex)
  }

  /**
   * Sleep until woken. Uninterruptible (K17).
   * Context: after prepare, with no lock held and no entry lock above all (D4).
   */
  sleep(thread: number): void {
    const record = this.threads.at(thread)
    assert(this.words.get(record + ThreadWord.EntryLocks) === 0, 'sleeping while holding an entry lock', { thread })
    const wake = record + ThreadWord.Wake
    while (this.words.load(wake) === 0) this.words.wait(wake, 0)
  }

  /**
   * Context: the entry was changed under its lock before; never sleeps.
   * Return: how many were woken.
   */
  wake(mapping: number, index: number, mode: Wake): number {
    const { words } = this
    const bucket = this.#bucketOf(mapping, index)
    // An empty queue needs no lock: see "why no wake-up is lost".
    if (words.load(bucket + BucketWord.Head) === 0) return 0
    let woken = 0
    mutexLock(words, bucket + BucketWord.Mutex)
    for (let id = words.get(bucket + BucketWord.Head), next: number; id !== 0; id = next) {
      const record = this.threads.at(id)
      next = words.get(record + ThreadWord.WaitNext)
      if (words.get(record + ThreadWord.WaitMapping) !== mapping) continue
      if (words.get(record + ThreadWord.WaitIndex) !== (index | 0)) continue
      const exclusive = words.get(record + ThreadWord.WaitExclusive) === 1
      this.#unlink(bucket, record)
      this.deliver(record)
      woken++
      if (exclusive && mode === Wake.Next) break
    }
    mutexUnlock(words, bucket + BucketWord.Mutex)
    return woken
  }

  /** The wake-up of one sleeper, who has left the queue. */
  protected deliver(record: number): void {
    this.words.store(record + ThreadWord.Wake, 1)
    this.words.notify(record + ThreadWord.Wake)
  }

  /** Number of sleepers on the key. For tests and dumps. */
  waiting(mapping: number, index: number): number {
    const bucket = this.#bucketOf(mapping, index)
    let count = 0
    mutexLock(this.words, bucket + BucketWord.Mutex)
    for (let id = this.words.get(bucket + BucketWord.Head); id !== 0;) {
      const record = this.threads.at(id)
      const same = this.words.get(record + ThreadWord.WaitMapping) === mapping
      if (same && this.words.get(record + ThreadWord.WaitIndex) === (index | 0)) count++
      id = this.words.get(record + ThreadWord.WaitNext)
    }
    mutexUnlock(this.words, bucket + BucketWord.Mutex)
    return count
  }

  #bucketOf(mapping: number, index: number): number {
    const hash = Math.imul(Math.imul(mapping, 0x85ebca6b) ^ index, 0x9e3779b1)
    return this.base + (((hash ^ (hash >>> 15)) >>> 0) & (this.buckets - 1)) * BucketWord.Size
  }

  /** previous, next: neighbours of the new one, 0 at an end. Context: bucket mutex held. */
  #link(bucket: number, thread: number, previous: number, next: number): void {
    const { words } = this
    const record = this.threads.at(thread)
    words.set(record + ThreadWord.WaitNext, next)
    words.set(record + ThreadWord.WaitPrevious, previous)
    words.set(previous === 0 ? bucket + BucketWord.Head : this.threads.at(previous) + ThreadWord.WaitNext, thread)
    words.set(next === 0 ? bucket + BucketWord.Tail : this.threads.at(next) + ThreadWord.WaitPrevious, thread)
  }

  /** Context: bucket mutex held. */
  #unlink(bucket: number, record: number): void {
    const { words } = this
    const next = words.get(record + ThreadWord.WaitNext)
    const previous = words.get(record + ThreadWord.WaitPrevious)
    words.set(previous === 0 ? bucket + BucketWord.Head : this.threads.at(previous) + ThreadWord.WaitNext, next)
    words.set(next === 0 ? bucket + BucketWord.Tail : this.threads.at(next) + ThreadWord.WaitPrevious, previous)
  }
}
