/**
 * The node pool: all nodes of all trees of a mount.
 *
 *   ┌───────┬───────┬──────┬────────┬────────┬────────┬─────┬─────────────────┐
 *   │ mutex │ fresh │ free │ in use │ node 1 │ node 2 │  …  │ node `capacity` │
 *   └───────┴───────┴──────┴────────┴────────┴────────┴─────┴─────────────────┘
 *    1 word  1       1      1        node.ts
 *
 *   mutex    lib/sync/mutex.ts; also the wait word. A leaf lock: it is taken with a tree's lock held, and nothing is
 *            taken under it.
 *   fresh    lowest id never handed out; ids from here up have never been written, so their memory is not committed
 *   free     head of the list of returned nodes, linked through their parent words; 0 ends it
 *   in use   nodes handed out; written under the mutex, read by anyone
 *
 * Initialised once by the mount. `fresh` and `free` are plain words under the mutex. A node belongs to nobody but the
 * pool while free, to the thread that got it until it is attached, and to its tree after that.
 */
import { assert } from '../assert.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { FREED_SHIFT, NodeFormat, NodeWord } from './node.js'

const enum PoolWord {
  Mutex = 0,
  Fresh = 1,
  Free = 2,
  InUse = 3,
  Nodes = 4,
}

export class NodePool {
  readonly words: SharedWords
  readonly format: NodeFormat
  /** Number of nodes. */
  readonly capacity: number
  readonly #base: number
  readonly #size: number
  /** Where node 0 would be. */
  readonly #origin: number

  /**
   * Attach to a pool; every thread does. The memory must have been initialised by one of them.
   * base: its first word. bits: log2 of the fan-out, the same in all threads.
   */
  constructor(words: SharedWords, base: number, capacity: number, bits: number) {
    assert(Number.isInteger(capacity) && capacity >= 1, 'a node pool holds at least one node', capacity)
    assert(capacity < 2 ** (31 - bits), 'node number and slot number must fit 31 bits', capacity)
    assert(base + NodePool.wordsFor(capacity, bits) <= words.length, 'the node pool does not fit its memory')
    this.words = words
    this.format = new NodeFormat(words, bits)
    this.capacity = capacity
    this.#base = base
    this.#size = this.format.size
    this.#origin = base + PoolWord.Nodes - this.#size
  }

  /** Words a pool needs. */
  static wordsFor(capacity: number, bits: number): number {
    return PoolWord.Nodes + capacity * NodeFormat.sizeFor(bits)
  }

  /** Make an empty pool. Context: once, before any other thread attaches. */
  initialise(): void {
    this.words.store(this.#base + PoolWord.Mutex, 0)
    this.words.set(this.#base + PoolWord.Fresh, 1)
    this.words.set(this.#base + PoolWord.Free, 0)
    this.words.store(this.#base + PoolWord.InUse, 0)
  }

  /** Nodes handed out. A snapshot: other trees may be allocating. */
  get inUse(): number {
    return this.words.load(this.#base + PoolWord.InUse)
  }

  /** Address of a node's first word. */
  at(id: number): number {
    return this.#origin + id * this.#size
  }

  /**
   * Take a node, all words zero.
   * Context: takes the pool mutex, so it may sleep for a moment; any thread, usually under a tree's lock.
   * Return: node id from 1, or 0 when the pool is exhausted.
   */
  allocate(): number {
    mutexLock(this.words, this.#base + PoolWord.Mutex)
    const id = this.#take()
    mutexUnlock(this.words, this.#base + PoolWord.Mutex)
    // Outside the mutex: from here on the node is ours alone.
    if (id !== 0) this.#zero(this.at(id))
    return id
  }

  /**
   * Give a node back. Throws BugError when it is free already.
   * Context: takes the pool mutex. The caller has detached the node: no word of any tree points to it.
   */
  free(id: number): void {
    assert(id >= 1 && id <= this.capacity, 'not a node id', id)
    const { words } = this
    const node = this.at(id)
    // Tested before locking: the caller owns the node, and a throw must not leave the mutex held.
    assert(words.get(node + NodeWord.Shift) !== FREED_SHIFT, 'node freed twice', id)
    words.set(node + NodeWord.Shift, FREED_SHIFT)
    mutexLock(words, this.#base + PoolWord.Mutex)
    words.set(node + NodeWord.Parent, words.get(this.#base + PoolWord.Free))
    words.set(this.#base + PoolWord.Free, id)
    words.store(this.#base + PoolWord.InUse, words.get(this.#base + PoolWord.InUse) - 1)
    mutexUnlock(words, this.#base + PoolWord.Mutex)
  }

  /** Returned nodes first: their memory is committed, and likely in the CPU's cache. */
  #take(): number {
    const { words } = this
    let id = words.get(this.#base + PoolWord.Free)
    if (id !== 0) {
      words.set(this.#base + PoolWord.Free, words.get(this.at(id) + NodeWord.Parent))
    } else {
      id = words.get(this.#base + PoolWord.Fresh)
      if (id > this.capacity) return 0
      words.set(this.#base + PoolWord.Fresh, id + 1)
    }
    words.store(this.#base + PoolWord.InUse, words.get(this.#base + PoolWord.InUse) + 1)
    return id
  }

  #zero(node: number): void {
    const end = node + this.#size
    for (let at = node; at < end; at++) this.words.set(at, 0)
  }
}
