/**
 * The thread table: one record for each JS thread that runs kernel code (a CPU of the emulated machine).
 *
 *   record    160 words: 24 of state, then 68 counters of two words (low, high)
 *   owner     the thread itself writes its record; others read the atomic words and write WakeWord
 *   init      zero memory is a valid empty table
 *   limits    a thread waits for one thing at a time and holds at most one shared and one exclusive file range, so one
 *             slot of each kind is enough; the slots double as the list of holders the other side scans
 */
import { assert } from '../assert.js'
import { PmemError } from '../errors.js'
import type { SharedWords } from './shared-words.js'

export const enum ThreadWord {
  /** 0 free, 1 attached, 2 being attached. Atomic. */
  State = 0,
  /** Kernel thread id, as fault events report it. */
  KernelId = 1,
  /** Wait word of the wait table: 0 asleep, 1 woken. Atomic. */
  Wake = 2,
  WaitNext = 3,
  WaitPrevious = 4,
  WaitMapping = 5,
  WaitIndex = 6,
  WaitExclusive = 7,
  /** Shared file range held (faults): inode (0: none), first and last page. The inode is atomic, and written last. */
  SharedInode = 8,
  SharedFirst = 9,
  SharedLast = 10,
  /** Exclusive file range held (truncate, punch): same form. Guarded by the inode's range mutex. */
  ExclusiveInode = 11,
  ExclusiveFirst = 12,
  ExclusiveLast = 13,
  /** Head of the list of lines this thread has flushed and not fenced. Guarded by the pending mutex. */
  PendingHead = 14,
  /** Entry locks held now: 0 or 1. Owner only; asserted to be 0 before every sleep (D4). */
  EntryLocks = 15,
  /** 1: a fault worker, 0: a thread of user code. Owner only, at attach. */
  FaultWorker = 16,
  /** Who makes the accesses of this thread now: AccessMode. Atomic, written by the owner. */
  AccessMode = 17,
  /**
   * Exclusive ranges that overlap the one above and came before it: it is held when this is 0. Wait word; written under
   * the inode's range mutex.
   */
  ExclusiveBlockers = 18,
  /**
   * Odd while the thread is inside a call, or serves faults; grows at each begin and end. Owner only, plain; others
   * look at it to see who makes no progress, and who is gone in the middle of something.
   */
  Progress = 19,
  /** While Progress is odd: what the thread does, a number of its user's (fs/system-calls.ts). Owner only, plain. */
  Call = 20,
  /** A fault worker: kernel id of the thread whose fault is the first of the batch. Owner only, plain. */
  Faulting = 21,
  Counters = 24,
  Size = 160,
}

/** On whose behalf a thread touches memory, which decides how a fault is traced. */
export const enum AccessMode {
  /** Its own code: a fault of user mode. */
  User = 0,
  /** A system call that copies from or to its memory. */
  Kernel = 1,
  /** MAP_POPULATE, mlock, madvise: the fault handler is called without a fault. */
  Populate = 2,
}

export const COUNTERS_MAX = (ThreadWord.Size - ThreadWord.Counters) / 2

export class Threads {
  static wordsFor(capacity: number): number {
    return 1 + capacity * ThreadWord.Size
  }

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    readonly capacity: number,
  ) {}

  /** Word address of a record; ids start at 1. */
  at(id: number): number {
    return this.base + 1 + (id - 1) * ThreadWord.Size
  }

  /** Highest id ever attached: scans need not look further. */
  get highest(): number {
    return this.words.load(this.base)
  }

  /**
   * Claim a record for the calling thread. Counters of a former owner stay: they are sums over the mount's life.
   * Errors: EAGAIN when `maxThreads` are attached.
   */
  attach(kernelId: number): number {
    for (let id = 1; id <= this.capacity; id++) {
      const at = this.at(id)
      if (this.words.cas(at + ThreadWord.State, 0, 2) !== 0) continue
      this.words.set(at + ThreadWord.KernelId, kernelId)
      this.words.set(at + ThreadWord.EntryLocks, 0)
      this.words.set(at + ThreadWord.FaultWorker, 0)
      // Even, and not what a former owner left behind.
      this.words.set(at + ThreadWord.Progress, (this.words.get(at + ThreadWord.Progress) | 1) + 1)
      // Only now: who looks for threads that are gone must not see the former owner's kernel id.
      this.words.store(at + ThreadWord.State, 1)
      this.#raiseHighest(id)
      return id
    }
    throw new PmemError('EAGAIN', 'attach', `all ${this.capacity} thread records are in use (mount option maxThreads)`)
  }

  /** Context: the owner, holding nothing. */
  detach(id: number): void {
    assert(this.words.get(this.at(id) + ThreadWord.EntryLocks) === 0, 'thread detached while it holds an entry lock')
    this.words.store(this.at(id) + ThreadWord.State, 0)
  }

  /**
   * The thread begins to do something it may hold locks in. Calls inside calls belong to the outer one.
   * Context: the owner. Return: true for the outermost, which must be ended by leave.
   */
  enter(id: number, call: number): boolean {
    const at = this.at(id)
    const progress = this.words.get(at + ThreadWord.Progress)
    if ((progress & 1) === 1) return false
    this.words.set(at + ThreadWord.Call, call)
    this.words.set(at + ThreadWord.Progress, progress + 1)
    return true
  }

  /** Context: the owner, after an enter that was the outermost. */
  leave(id: number): void {
    const at = this.at(id) + ThreadWord.Progress
    this.words.set(at, this.words.get(at) + 1)
  }

  /** Is the thread inside a call? Context: the owner. */
  isInside(id: number): boolean {
    return (this.words.get(this.at(id) + ThreadWord.Progress) & 1) === 1
  }

  /** Return: an attached thread that is gone in the middle of something, or a fault worker that is gone; 0: none. */
  lost(isAlive: (kernelId: number) => boolean): number {
    for (let id = 1; id <= this.highest; id++) {
      const at = this.at(id)
      if (!this.isAttached(id)) continue
      const busy = (this.words.load(at + ThreadWord.Progress) & 1) === 1
      if (!busy && this.words.get(at + ThreadWord.FaultWorker) === 0) continue
      if (!isAlive(this.words.get(at + ThreadWord.KernelId))) return id
    }
    return 0
  }

  /** detach for a thread that is going down with a bug: whatever it holds, it holds no more. */
  release(id: number): void {
    this.words.store(this.at(id) + ThreadWord.State, 0)
  }

  /** The record of a kernel thread, or 0. */
  byKernelId(kernelId: number): number {
    for (let id = 1; id <= this.highest; id++) {
      if (this.isAttached(id) && this.words.get(this.at(id) + ThreadWord.KernelId) === kernelId) return id
    }
    return 0
  }

  isAttached(id: number): boolean {
    return this.words.load(this.at(id) + ThreadWord.State) === 1
  }

  /**
   * Release the records of user threads that are gone without having left (terminated): their kernel thread is no more.
   * Return: how many.
   */
  reap(isAlive: (kernelId: number) => boolean): number {
    let reaped = 0
    for (let id = 1; id <= this.highest; id++) {
      const at = this.at(id)
      if (!this.isAttached(id) || this.words.get(at + ThreadWord.FaultWorker) === 1) continue
      if (isAlive(this.words.get(at + ThreadWord.KernelId))) continue
      if (this.words.cas(at + ThreadWord.State, 1, 0) === 1) reaped++
    }
    return reaped
  }

  /** Attached threads of user code. */
  users(): number {
    let users = 0
    for (let id = 1; id <= this.highest; id++) {
      if (this.isAttached(id) && this.words.load(this.at(id) + ThreadWord.FaultWorker) === 0) users++
    }
    return users
  }

  /** Owner only: plain words, no contention. */
  count(id: number, counter: number, delta: number): void {
    const at = this.at(id) + ThreadWord.Counters + counter * 2
    const low = (this.words.get(at) >>> 0) + delta
    if (low < 0x1_0000_0000) {
      this.words.set(at, low | 0)
      return
    }
    this.words.set(at, (low % 0x1_0000_0000) | 0)
    this.words.set(at + 1, this.words.get(at + 1) + Math.floor(low / 0x1_0000_0000))
  }

  /** Sum over all records, detached ones too. Not a snapshot: owners go on counting. */
  total(counter: number): number {
    let sum = 0
    for (let id = 1; id <= this.highest; id++) {
      const at = this.at(id) + ThreadWord.Counters + counter * 2
      sum += (this.words.load(at) >>> 0) + this.words.load(at + 1) * 0x1_0000_0000
    }
    return sum
  }

  #raiseHighest(id: number): void {
    for (let seen = this.words.load(this.base); seen < id;) {
      const found = this.words.cas(this.base, seen, id)
      if (found === seen) return
      seen = found
    }
  }
}
