/**
 * Lines that were flushed and not yet fenced.
 *
 * The persistence model (D9). What a power failure leaves of a line of 64 bytes is decided line by line; lines know
 * nothing of each other.
 *
 *   store          atomic in 8 aligned bytes. Changes the cache only; media holds what it held
 *   order          stores to one line reach media in their order: a line on media is what a prefix of them made of it
 *   flush (clwb)   takes the line as it is now and puts that snapshot on its way; not durable yet
 *   fence (sfence) makes durable what *the same thread* flushed before: it orders the CPU that executes it. The prefix
 *                  that survives is from then on at least up to the flush
 *   non-temporal   stores past the cache need no flush, and have no order, even in one line, until the thread's fence
 *   eviction       any line may reach media at any time, as it is at that time
 *   write(2)       non-temporal stores; the fence is the next sync of the file
 *   ADR            what was fenced has left the CPU: that is all that is promised, and what is above
 *   eADR           CPU caches are inside the persistence domain: every store survives, flushes only order. A mount
 *                  with domain 'eadr' keeps all of it in crash() (fs/power-failure.ts)
 *
 * So at a power failure a line on media is what the last fence made of it, or anything the line has been since: an
 * unfenced snapshot, or later stores, may have reached media by themselves, never an older state. The emulator's own
 * media holds one state of each line, so prefixes inside a line are seen where every store is: in recordings of a
 * traced mount (store-sink.ts). A non-temporal store is put on its way here with the rest of its line, as eviction may.
 *
 * A snapshot, not the line's later content, goes to media at the fence: stores between flush and fence are not covered,
 * and a program that relies on them is to be caught.
 *
 *   record   24 words: inode, pgoff, line, owner, two links, snapshot of 16 words
 *   index    hash of (inode, pgoff) → chain; one record for a line at most, so age needs no sequence numbers
 *   owner    list from the owner's PendingHead
 *   lock     one leaf mutex for all of it; held over the media write of a line, which is why a fence and a writeback of
 *            one line cannot pass each other (an old snapshot may never overwrite newer bytes that were acknowledged)
 *   full     one record after the other is written early, in turn: eviction, always legal
 *   init     initialise(), once, by the mount
 */
import { assert } from '../assert.js'
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import type { Media } from '../media/media.js'
import type { InodeTable } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { type Threads, ThreadWord } from '../sync/threads.js'
import { Counter } from '../stats.js'

const enum LineWord {
  Inode = 0,
  Pgoff = 1,
  Line = 2,
  Owner = 3,
  NextInPage = 4,
  NextOfOwner = 5,
  PreviousOfOwner = 6,
  Data = 8,
  Size = 24,
}

const enum Header {
  Mutex = 0,
  Free = 1,
  Used = 2,
  Count = 3,
  /** Whom to evict next when the pool is full: a clock hand over the records. */
  Hand = 4,
  Size = 5,
}

const BUCKETS = 1024

export class PendingLines {
  static wordsFor(capacity: number): number {
    return Header.Size + BUCKETS + capacity * LineWord.Size
  }

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    private readonly capacity: number,
    private readonly threads: Threads,
    private readonly inodes: InodeTable,
    private readonly media: Media,
  ) {}

  /** Lines on their way now, of all threads. */
  get count(): number {
    return this.words.load(this.base + Header.Count)
  }

  /**
   * Flush one line of the cache.
   * Context: the page cannot leave the file (shared range held); takes the pending mutex; may write to media.
   * Return: 0 or -errno of a media write that eviction needed.
   */
  flush(thread: number, inode: number, pgoff: number, line: number): Errno {
    const { words } = this
    mutexLock(words, this.base + Header.Mutex)
    let record = this.#find(inode, pgoff, line)
    let error: Errno = 0
    if (record !== 0 && words.get(this.#at(record) + LineWord.Owner) !== thread) {
      // The other thread's fence will not find it any more, so its snapshot goes to media first.
      error = this.#evict(record)
      record = 0
    }
    if (record === 0 && error === 0) {
      record = this.#allocate()
      if (record === 0) {
        error = this.#evictNext()
        record = error === 0 ? this.#allocate() : 0
      }
      if (record !== 0) this.#link(record, thread, inode, pgoff, line)
    }
    if (record !== 0) {
      error = this.media.captureLine(inode, lineOffset(pgoff, line), this.#at(record) + LineWord.Data)
      if (error < 0) this.#unlink(record)
    }
    mutexUnlock(words, this.base + Header.Mutex)
    return error < 0 ? error : 0
  }

  /** Is a snapshot of this line on its way? A snapshot, in both senses. */
  has(inode: number, pgoff: number, line: number): boolean {
    mutexLock(this.words, this.base + Header.Mutex)
    const found = this.#find(inode, pgoff, line) !== 0
    mutexUnlock(this.words, this.base + Header.Mutex)
    return found
  }

  /**
   * Make durable what `thread` flushed. Lines whose media write fails stay pending.
   * Return: 0 or the first -errno.
   */
  fence(thread: number): Errno {
    const { words } = this
    const head = this.threads.at(thread) + ThreadWord.PendingHead
    if (words.load(head) === 0) return 0
    let first: Errno = 0
    mutexLock(words, this.base + Header.Mutex)
    for (let record = words.get(head), next: number; record !== 0; record = next) {
      next = words.get(this.#at(record) + LineWord.NextOfOwner)
      const error = this.#commit(record)
      if (error < 0) {
        first ||= error
        continue
      }
      this.#unlink(record)
      this.threads.count(thread, Counter.LinesFenced, 1)
    }
    mutexUnlock(words, this.base + Header.Mutex)
    return first
  }

  /**
   * Run `write`, which brings the lines of a byte range of media up to the cache, while no older snapshot of them can
   * reach media later: what is pending on them is forgotten.
   * Context: entry lock held, or the pages kept otherwise; takes the pending mutex only when something is pending. A
   * line flushed after that look is newer than the stores the running sync has to cover, so it may come last.
   */
  supersede(inode: number, offset: number, length: number, write: () => Errno): Errno {
    if (this.count === 0) return write()
    mutexLock(this.words, this.base + Header.Mutex)
    const error = write()
    const end = offset + length
    for (let at = offset - (offset % Page.LineSize); error >= 0 && at < end; at += Page.LineSize) {
      const record = this.#find(inode, Math.floor(at / Page.Size), (at % Page.Size) / Page.LineSize)
      if (record !== 0) this.#unlink(record)
    }
    mutexUnlock(this.words, this.base + Header.Mutex)
    return error
  }

  /** Forget snapshots at or past `offset` (truncate) or of the whole file (offset 0: power failure). */
  dropFrom(inode: number, offset: number): void {
    this.dropRange(inode, offset, Infinity)
  }

  /** Forget snapshots of lines that lie wholly in [from, to): punched, zeroed, gone. */
  dropRange(inode: number, from: number, to: number): void {
    this.dropRangeWith(inode, from, to, () => 0)
  }

  /**
   * dropRange when `clear`, which takes the bytes off media, succeeds: no snapshot can reach media after it, and none
   * is lost when it fails.
   * Context: the exclusive range is held, so that nobody flushes there. Return: of clear.
   */
  dropRangeWith(inode: number, from: number, to: number, clear: () => Errno): Errno {
    if (this.count === 0) return clear()
    mutexLock(this.words, this.base + Header.Mutex)
    const error = clear()
    if (error >= 0) this.#dropLocked(inode, from, to)
    mutexUnlock(this.words, this.base + Header.Mutex)
    return error
  }

  #dropLocked(inode: number, from: number, to: number): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let next: number
      for (let record = this.words.get(this.base + Header.Size + bucket); record !== 0; record = next) {
        const at = this.#at(record)
        next = this.words.get(at + LineWord.NextInPage)
        const offset = lineOffset(this.words.get(at + LineWord.Pgoff) >>> 0, this.words.get(at + LineWord.Line))
        const inside = offset >= from && offset + Page.LineSize <= to
        if (this.words.get(at + LineWord.Inode) === inode && inside) this.#unlink(record)
      }
    }
  }

  /** Call `visit` for each pending line of the file. Context: the mount is frozen. */
  forEach(inode: number, visit: (pgoff: number, line: number, commit: () => Errno) => void): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let record = this.words.get(this.base + Header.Size + bucket)
      for (; record !== 0; record = this.words.get(this.#at(record) + LineWord.NextInPage)) {
        const at = this.#at(record)
        if (this.words.get(at + LineWord.Inode) !== inode) continue
        const found = record
        visit(this.words.get(at + LineWord.Pgoff) >>> 0, this.words.get(at + LineWord.Line), () => this.#commit(found))
      }
    }
  }

  #at(record: number): number {
    return this.base + Header.Size + BUCKETS + (record - 1) * LineWord.Size
  }

  #bucket(inode: number, pgoff: number): number {
    const hash = Math.imul(Math.imul(inode, 0x85ebca6b) ^ pgoff, 0x9e3779b1)
    return this.base + Header.Size + ((hash >>> 16) & (BUCKETS - 1))
  }

  #find(inode: number, pgoff: number, line: number): number {
    const { words } = this
    let record = words.get(this.#bucket(inode, pgoff))
    for (; record !== 0; record = words.get(this.#at(record) + LineWord.NextInPage)) {
      const at = this.#at(record)
      if (words.get(at + LineWord.Line) !== line || words.get(at + LineWord.Pgoff) !== (pgoff | 0)) continue
      if (words.get(at + LineWord.Inode) === inode) return record
    }
    return 0
  }

  #allocate(): number {
    const { words, base } = this
    const free = words.get(base + Header.Free)
    if (free !== 0) {
      words.set(base + Header.Free, words.get(this.#at(free) + LineWord.NextInPage))
      return free
    }
    const used = words.get(base + Header.Used)
    if (used === this.capacity) return 0
    words.set(base + Header.Used, used + 1)
    return used + 1
  }

  #link(record: number, thread: number, inode: number, pgoff: number, line: number): void {
    const { words } = this
    const at = this.#at(record)
    const bucket = this.#bucket(inode, pgoff)
    const head = this.threads.at(thread) + ThreadWord.PendingHead
    words.set(at + LineWord.Inode, inode)
    words.set(at + LineWord.Pgoff, pgoff | 0)
    words.set(at + LineWord.Line, line)
    words.set(at + LineWord.Owner, thread)
    words.set(at + LineWord.NextInPage, words.get(bucket))
    words.set(bucket, record)
    const first = words.get(head)
    words.set(at + LineWord.NextOfOwner, first)
    words.set(at + LineWord.PreviousOfOwner, 0)
    if (first !== 0) words.set(this.#at(first) + LineWord.PreviousOfOwner, record)
    words.store(head, record)
    words.add(this.base + Header.Count, 1)
  }

  #unlink(record: number): void {
    const { words } = this
    const at = this.#at(record)
    this.#unchain(this.#bucket(words.get(at + LineWord.Inode), words.get(at + LineWord.Pgoff) >>> 0), record)
    const next = words.get(at + LineWord.NextOfOwner)
    const previous = words.get(at + LineWord.PreviousOfOwner)
    if (next !== 0) words.set(this.#at(next) + LineWord.PreviousOfOwner, previous)
    if (previous !== 0) words.set(this.#at(previous) + LineWord.NextOfOwner, next)
    else words.store(this.threads.at(words.get(at + LineWord.Owner)) + ThreadWord.PendingHead, next)
    words.set(at + LineWord.NextInPage, words.get(this.base + Header.Free))
    words.set(this.base + Header.Free, record)
    words.add(this.base + Header.Count, -1)
  }

  #unchain(bucket: number, record: number): void {
    const { words } = this
    let link = bucket
    while (words.get(link) !== record) {
      assert(words.get(link) !== 0, 'a pending line that is not in its chain', { record })
      link = this.#at(words.get(link)) + LineWord.NextInPage
    }
    words.set(link, words.get(this.#at(record) + LineWord.NextInPage))
  }

  #commit(record: number): Errno {
    const { words } = this
    const at = this.#at(record)
    const inode = words.get(at + LineWord.Inode)
    const offset = lineOffset(words.get(at + LineWord.Pgoff) >>> 0, words.get(at + LineWord.Line))
    const length = Math.min(Page.LineSize, this.inodes.sizeOf(inode) - offset)
    return length <= 0 ? 0 : this.media.commitLine(inode, offset, at + LineWord.Data, length)
  }

  #evict(record: number): Errno {
    const owner = this.words.get(this.#at(record) + LineWord.Owner)
    const error = this.#commit(record)
    if (error < 0) return error
    this.#unlink(record)
    this.threads.count(owner, Counter.LinesEvicted, 1)
    return 0
  }

  /** Context: the pool is full, so every record is in use. */
  #evictNext(): Errno {
    const record = (this.words.get(this.base + Header.Hand) % this.capacity) + 1
    this.words.set(this.base + Header.Hand, record)
    return this.#evict(record)
  }
}

function lineOffset(pgoff: number, line: number): number {
  return pgoff * Page.Size + line * Page.LineSize
}
