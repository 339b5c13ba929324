/**
 * Extent records: fixed-size slots shared by the extent trees of all inodes of a mount.
 *
 *   header  ┌ mutex ┬ next id never used ┬ free list head ┬ records in use ┐              4 words
 *   record  ┌ start low, high ┬ length low, high ┬ value ┬ state ┬ left ┬ right ┐         8 words
 *
 *   owner   initialise() once, by the mount, on zeroed memory; it touches the header only, so records that were
 *           never handed out cost no memory
 *   ids     1..capacity; 0 is "no record". A free record links to the next free one through `left`
 *   locks   the header is guarded by its mutex, which is also the wait word and a leaf lock (sync/mutex.ts);
 *           a record that was handed out belongs to one tree and is guarded by that tree's lock
 *
 * Starts and lengths go up to 2^53, so that a tree can be in bytes as well as in pages.
 */
import { assert } from '../assert.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { getNumber, setNumber } from '../sync/wide.js'

const enum Header {
  Mutex = 0,
  NextId = 1,
  FreeHead = 2,
  InUse = 3,
  Words = 4,
}

const enum Field {
  Start = 0,
  Length = 2,
  Value = 4,
  State = 5,
  Left = 6,
  Right = 7,
  Words = 8,
}

export class ExtentPool {
  readonly capacity: number
  readonly #words: SharedWords
  readonly #header: number
  /** Where record 0 would be, so that a record's place is one multiplication and one addition. */
  readonly #records: number

  /** Return: the words a pool of `capacity` records takes. */
  static wordsFor(capacity: number): number {
    return Header.Words + capacity * Field.Words
  }

  constructor(words: SharedWords, base: number, capacity: number) {
    assert(Number.isSafeInteger(capacity) && capacity > 0, 'an extent pool needs a capacity', { capacity })
    assert(base >= 0 && base + ExtentPool.wordsFor(capacity) <= words.length, 'extent pool outside the shared words')
    this.capacity = capacity
    this.#words = words
    this.#header = base
    this.#records = base + Header.Words - Field.Words
  }

  /** Context: once per mount, before any other thread knows of the pool. */
  initialise(): void {
    this.#words.set(this.#header + Header.Mutex, 0)
    this.#words.set(this.#header + Header.NextId, 1)
    this.#words.set(this.#header + Header.FreeHead, 0)
    this.#words.set(this.#header + Header.InUse, 0)
  }

  /** Records handed out. Context: any thread, no lock; the number may be old when it arrives. */
  get inUse(): number {
    return this.#words.load(this.#header + Header.InUse)
  }

  /**
   * Context: takes the pool's mutex; any thread.
   * Return: the id of a record whose fields hold nothing of meaning, or 0 when the pool is exhausted.
   */
  allocate(): number {
    const words = this.#words
    const header = this.#header
    mutexLock(words, header + Header.Mutex)
    let id = words.get(header + Header.FreeHead)
    if (id !== 0) {
      words.set(header + Header.FreeHead, words.get(this.leftAt(id)))
    } else if (words.get(header + Header.NextId) <= this.capacity) {
      id = words.get(header + Header.NextId)
      words.set(header + Header.NextId, id + 1)
    }
    if (id !== 0) words.store(header + Header.InUse, words.get(header + Header.InUse) + 1)
    mutexUnlock(words, header + Header.Mutex)
    return id
  }

  /** Context: takes the pool's mutex; the caller has unlinked the record from its tree. */
  free(id: number): void {
    const words = this.#words
    const header = this.#header
    assert(id >= 1 && id <= this.capacity, 'free of an extent record that does not exist', { id })
    mutexLock(words, header + Header.Mutex)
    words.set(this.leftAt(id), words.get(header + Header.FreeHead))
    words.set(header + Header.FreeHead, id)
    words.store(header + Header.InUse, words.get(header + Header.InUse) - 1)
    mutexUnlock(words, header + Header.Mutex)
  }

  // Fields of a record. Context for all of them: the caller holds the lock of the tree that owns the record.

  startOf(id: number): number {
    return getNumber(this.#words, this.#at(id) + Field.Start)
  }

  setStart(id: number, start: number): void {
    setNumber(this.#words, this.#at(id) + Field.Start, start)
  }

  lengthOf(id: number): number {
    return getNumber(this.#words, this.#at(id) + Field.Length)
  }

  setLength(id: number, length: number): void {
    setNumber(this.#words, this.#at(id) + Field.Length, length)
  }

  valueOf(id: number): number {
    return this.#words.get(this.#at(id) + Field.Value)
  }

  setValue(id: number, value: number): void {
    this.#words.set(this.#at(id) + Field.Value, value)
  }

  stateOf(id: number): number {
    return this.#words.get(this.#at(id) + Field.State)
  }

  setState(id: number, state: number): void {
    this.#words.set(this.#at(id) + Field.State, state)
  }

  /** The word that links to the left child. */
  leftAt(id: number): number {
    return this.#at(id) + Field.Left
  }

  /** The word that links to the right child. */
  rightAt(id: number): number {
    return this.#at(id) + Field.Right
  }

  #at(id: number): number {
    return this.#records + id * Field.Words
  }
}
