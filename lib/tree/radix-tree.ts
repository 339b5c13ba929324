/**
 * The multi-order radix tree: page index → entry, where one 2 MiB entry answers for 512 indices (K1).
 *
 * What the kernel's XArray is to fs/dax.c, less what DAX does not use: no RCU, no values in the head, orders 0 and 9.
 *
 * Conventions in this directory
 *   root     address of a tree's root record (root.ts); a RadixTree object serves all trees of a mount for one thread
 *   index    page number in the file, 0 … 2^32-1, a non-negative JS number
 *   order    log2 of the number of indices an entry answers for: 0 or 9
 *   id, node number of a node, address of its first word
 *   level    shift of the nodes that hold entries of an order
 *   place    id << bits | offset: one slot of one node as a single number; 0 is nowhere
 *
 * An order-9 entry sits in the nodes of the highest shift s ≤ 9, in 2^(9-s) neighbouring slots: the first holds the
 * entry and its marks, the others refer to it.
 *
 *   64 slots:  shift 12                  ┌ 0 ┬ 1 ┬ …
 *                                          │
 *              shift 6   ┌ 0 ┬ … ┬ 8:D2M ┬ 9:→8 ┬ … ┬ 15:→8 ┬ … ┐
 *                          │
 *              shift 0   ┌ 0:D4 ┬ 1:Z4 ┬ …
 *
 * Locking: every method expects the lock of its tree (i_pages) held by the caller, and never sleeps under it except for
 * the pool mutex, a leaf, in a store that adds or removes nodes. Nothing is remembered between calls here: a place is
 * what a caller may remember.
 */
import { BugError } from '../assert.js'
import { Page } from '../constants.js'
import { ANY_ENTRY, Cursor, scan, scanNeighbour } from './cursor.js'
import { dumpTree } from './dump.js'
import {
  type Entry,
  NULL_ENTRY,
  canonicalOffset,
  describeEntry,
  isInternal,
  isSibling,
  isValue,
  nodeIdOf,
  orderOf,
  siblingOf,
} from './entry.js'
import { dropMarkUp, raiseMarkUp } from './marks.js'
import { type NodeFormat, NodeWord, covers } from './node.js'
import type { NodePool } from './node-pool.js'
import { Mark, ROOT_WORDS, RootWord } from './root.js'
import { makeRoom, prune } from './shape.js'
import type { SharedWords } from '../sync/shared-words.js'

const ENOMEM = 12

export class RadixTree {
  /** Words in a root record. */
  static readonly ROOT_WORDS = ROOT_WORDS

  readonly pool: NodePool
  readonly #words: SharedWords
  readonly #format: NodeFormat
  readonly #bits: number
  readonly #mask: number
  /** Shift of the nodes that hold 2 MiB entries. */
  readonly #pmdLevel: number

  constructor(pool: NodePool) {
    this.pool = pool
    this.#words = pool.words
    this.#format = pool.format
    this.#bits = pool.format.bits
    this.#mask = pool.format.mask
    this.#pmdLevel = Page.PmdOrder - (Page.PmdOrder % this.#bits)
  }

  /** Make `root` an empty tree. Nodes of a tree that was there are not freed: erase its entries first. */
  initialise(root: number): void {
    for (let word = 0; word < ROOT_WORDS; word++) this.#words.set(root + word, 0)
  }

  /** The entry that answers for `index`, or NULL_ENTRY (xa_load). The walk of placeOf: twice, as both are hot. */
  load(root: number, index: number): Entry {
    if (index >>> 0 !== index) throw new BugError('not a page index', index)
    const words = this.#words
    const head = words.get(root + RootWord.Head)
    if (head === NULL_ENTRY) return NULL_ENTRY
    let node = this.pool.at(nodeIdOf(head))
    let shift = words.get(node + NodeWord.Shift)
    if (!covers(shift + this.#bits, index)) return NULL_ENTRY
    while (shift >= 0) {
      const entry = words.get(node + NodeWord.Slots + ((index >>> shift) & this.#mask))
      if (!isInternal(entry)) return entry
      if (isSibling(entry)) return words.get(node + NodeWord.Slots + canonicalOffset(entry))
      node = this.pool.at(nodeIdOf(entry))
      shift -= this.#bits
    }
    throw new BugError('node pointer in a leaf', { root, index })
  }

  /**
   * The place of the entry that answers for `index`, 0 when it is null. Good while the tree's lock is held, and after
   * that for who keeps the entry from being removed: nodes do not move.
   */
  placeOf(root: number, index: number): number {
    if (index >>> 0 !== index) throw new BugError('not a page index', index)
    const head = this.#words.get(root + RootWord.Head)
    if (head === NULL_ENTRY) return 0
    let id = nodeIdOf(head)
    let node = this.pool.at(id)
    let shift = this.#words.get(node + NodeWord.Shift)
    if (!covers(shift + this.#bits, index)) return 0
    while (shift >= 0) {
      const offset = (index >>> shift) & this.#mask
      const entry = this.#words.get(node + NodeWord.Slots + offset)
      if (!isInternal(entry)) return entry === NULL_ENTRY ? 0 : (id << this.#bits) | offset
      if (isSibling(entry)) return (id << this.#bits) | canonicalOffset(entry)
      id = nodeIdOf(entry)
      node = this.pool.at(id)
      shift -= this.#bits
    }
    throw new BugError('node pointer in a leaf', { root, index })
  }

  entryAt(place: number): Entry {
    return this.#words.get(this.pool.at(place >>> this.#bits) + NodeWord.Slots + (place & this.#mask))
  }

  /** Replace the entry at a place, of `index`, by one of the same order; it keeps its marks. */
  replaceAt(_root: number, _index: number, place: number, entry: Entry): void {
    this.#format.setSlot(this.pool.at(place >>> this.#bits), place & this.#mask, entry)
  }

  /**
   * Fill a null range. Throws BugError when it is not. Return: the place, or -ENOMEM when the node pool is exhausted;
   * then nothing has changed.
   */
  insert(root: number, index: number, order: number, entry: Entry): number {
    this.#checkRange(root, index, order)
    return this.#insert(root, index, order, entry)
  }

  /**
   * Put an entry over [index, index + 2^order), `index` a multiple of 2^order (xas_store). An entry of that order is
   * replaced and keeps its marks (K2); a null range is filled, unmarked; NULL_ENTRY erases like `erase`.
   * Throws BugError when the range overlaps an entry of another order (K6), or `entry` is not of that order.
   * Return: 0, or -ENOMEM when the node pool is exhausted; then nothing has changed.
   */
  store(root: number, index: number, order: number, entry: Entry): number {
    this.#checkRange(root, index, order)
    if (entry === NULL_ENTRY) {
      this.#erase(root, index, order)
      return 0
    }
    if (!isValue(entry) || orderOf(entry) !== order) this.#bug(root, 'not an entry of this order', index, order, entry)
    const place = this.placeOf(root, index)
    if (place === 0) return Math.min(this.#insert(root, index, order, entry), 0)
    if (orderOf(this.entryAt(place)) !== order) this.#bug(root, 'store over another order', index, order, entry)
    this.replaceAt(root, index, place, entry)
    return 0
  }

  /** Mark the whole entry that answers for `index` (K2). Throws BugError when there is none. */
  setMark(root: number, index: number, mark: Mark): void {
    const place = this.placeOf(root, index)
    if (place === 0) this.#bug(root, 'setMark of a null entry', index, 0, NULL_ENTRY)
    this.setMarkAt(root, index, place, mark)
  }

  /** setMark of the entry at a place, of `index`. */
  setMarkAt(root: number, _index: number, place: number, mark: Mark): void {
    raiseMarkUp(this.pool, root, place >>> this.#bits, place & this.#mask, mark)
  }

  /** Unmark the whole entry that answers for `index`. Throws BugError when there is none. */
  clearMark(root: number, index: number, mark: Mark): void {
    const place = this.placeOf(root, index)
    if (place === 0) this.#bug(root, 'clearMark of a null entry', index, 0, NULL_ENTRY)
    this.clearMarkAt(root, index, place, mark)
  }

  /** clearMark of the entry at a place, of `index`. */
  clearMarkAt(root: number, _index: number, place: number, mark: Mark): void {
    dropMarkUp(this.pool, root, place >>> this.#bits, place & this.#mask, mark)
  }

  /** Whether the entry that answers for `index` has the mark; false when there is no entry. */
  getMark(root: number, index: number, mark: Mark): boolean {
    const place = this.placeOf(root, index)
    return place !== 0 && this.getMarkAt(root, index, place, mark)
  }

  /** getMark of the entry at a place, of `index`. */
  getMarkAt(_root: number, _index: number, place: number, mark: Mark): boolean {
    return this.#format.testMark(this.pool.at(place >>> this.#bits), mark, place & this.#mask)
  }

  /**
   * How many indices the tree as it is built now can hold: 64, 4096, … What a scan that ran off its end reports as its
   * position; 1 for a lone entry at index 0, which the kernel keeps in the head.
   */
  span(root: number): number {
    const head = this.#words.get(root + RootWord.Head)
    if (head === NULL_ENTRY) return 0
    const lone = this.entryCount(root) === 1 && this.pageCount(root) === 1 && this.load(root, 0) !== NULL_ENTRY
    const shift = this.#words.get(this.pool.at(nodeIdOf(head)) + NodeWord.Shift)
    return lone ? 1 : 2 ** (shift + this.#bits)
  }

  /**
   * First entry overlapping [from, last] (xas_find): the one covering `from`, or the first after it. Go on from
   * cursor.after().
   * Return: true with the cursor filled in, or false with the cursor unchanged.
   */
  next(root: number, from: number, last: number, cursor: Cursor): boolean {
    return scan(this.pool, root, from, last, ANY_ENTRY, cursor)
  }

  /** First marked entry overlapping [from, last] (xas_find_marked); cost grows with marked entries only. */
  nextMarked(root: number, from: number, last: number, mark: Mark, cursor: Cursor): boolean {
    return this.isMarked(root, mark) && scan(this.pool, root, from, last, mark, cursor)
  }

  /**
   * nextMarked from cursor.after() on: cheaper where neighbours are marked.
   * Context: the tree's lock has been held since the cursor was filled in, and no entry has come or gone.
   */
  nextMarkedNeighbour(root: number, last: number, mark: Mark, cursor: Cursor): boolean {
    return this.isMarked(root, mark) && scanNeighbour(this.pool, root, last, mark, cursor)
  }

  /** First entry overlapping [index, index + 2^order), `index` a multiple of 2^order (xas_find_conflict). */
  conflict(root: number, index: number, order: number, cursor: Cursor): boolean {
    this.#checkRange(root, index, order)
    return scan(this.pool, root, index, index + ((1 << order) - 1), ANY_ENTRY, cursor)
  }

  isEmpty(root: number): boolean {
    return this.#words.get(root + RootWord.Head) === NULL_ENTRY
  }

  /** Entries, whatever their order. */
  entryCount(root: number): number {
    return this.#words.get(root + RootWord.Entries) >>> 0
  }

  /** Indices the entries answer for: 1 or 512 each (nrpages, K4). */
  pageCount(root: number): number {
    return this.entryCount(root) + this.#words.get(root + RootWord.PmdEntries) * (Page.PmdPages - 1)
  }

  /** Whether any entry has the mark. */
  isMarked(root: number, mark: Mark): boolean {
    return (this.#words.get(root + RootWord.Marks) & (1 << mark)) !== 0
  }

  /** Entries with the mark. Walks them all: for statistics and tests. */
  countMarked(root: number, mark: Mark): number {
    const cursor = new Cursor()
    let count = 0
    for (let from = 0; this.nextMarked(root, from, 0xffffffff, mark, cursor); from = cursor.after()) count++
    return count
  }

  #insert(root: number, index: number, order: number, entry: Entry): number {
    const level = order === 0 ? 0 : this.#pmdLevel
    // An order-0 range is a single index, and that is known to be null.
    if (order !== 0) this.#checkNull(root, index, order, entry)
    const id = makeRoom(this.pool, root, index, level)
    if (id === 0) return -ENOMEM
    const node = this.pool.at(id)
    const first = (index >>> level) & this.#mask
    const slots = 1 << (order - level)
    this.#format.setSlot(node, first, entry)
    for (let next = 1; next < slots; next++) this.#format.setSlot(node, first + next, siblingOf(first))
    this.#format.addCount(node, slots)
    this.#addCounts(root, order, 1)
    return (id << this.#bits) | first
  }

  #erase(root: number, index: number, order: number): void {
    const place = this.placeOf(root, index)
    if (place === 0) {
      this.#checkNull(root, index, order, NULL_ENTRY)
      return
    }
    if (orderOf(this.entryAt(place)) !== order) this.#bug(root, 'erase of another order', index, order, NULL_ENTRY)
    const id = place >>> this.#bits
    const first = place & this.#mask
    dropMarkUp(this.pool, root, id, first, Mark.Dirty)
    dropMarkUp(this.pool, root, id, first, Mark.ToWrite)
    const slots = 1 << (order === 0 ? 0 : order - this.#pmdLevel)
    const node = this.pool.at(id)
    for (let next = 0; next < slots; next++) this.#format.setSlot(node, first + next, NULL_ENTRY)
    this.#format.addCount(node, -slots)
    this.#addCounts(root, order, -1)
    prune(this.pool, root, id)
  }

  #addCounts(root: number, order: number, delta: number): void {
    this.#words.set(root + RootWord.Entries, this.#words.get(root + RootWord.Entries) + delta)
    if (order === 0) return
    this.#words.set(root + RootWord.PmdEntries, this.#words.get(root + RootWord.PmdEntries) + delta)
  }

  /** Before anything is changed: a 2 MiB range may only be filled when all of it is null (K6). */
  #checkNull(root: number, index: number, order: number, entry: Entry): void {
    if (order === 0) return
    const cursor = new Cursor()
    if (scan(this.pool, root, index, index + ((1 << order) - 1), ANY_ENTRY, cursor)) {
      this.#bug(root, `the range overlaps ${describeEntry(cursor.entry)} at ${cursor.index}`, index, order, entry)
    }
  }

  #checkRange(root: number, index: number, order: number): void {
    if (order !== 0 && order !== Page.PmdOrder) this.#bug(root, 'order must be 0 or 9', index, order, NULL_ENTRY)
    if (((index >>> order) << order) >>> 0 !== index) {
      this.#bug(root, 'index is not one of a page of this order', index, order, NULL_ENTRY)
    }
  }

  #bug(root: number, message: string, index: number, order: number, entry: Entry): never {
    const what = `${message}: index ${index}, order ${order}, entry ${describeEntry(entry)}`
    throw new BugError(what, dumpTree(this, root))
  }
}
