/**
 * What each 2 MiB of address space has in its page table (the pmd): nothing, a table of 4 KiB entries, or a huge
 * entry.
 *
 * The host never maps 2 MiB for us, so this is a model kept beside the real page table. DAX behaviour depends on it: a
 * 2 MiB fault is tried only where there is nothing yet; once a table is there, faults stay 4 KiB even when the reason
 * is gone; a huge entry is dropped as a whole, whatever part of it is unmapped (FACTS 18, 20).
 *
 *   Empty       no page of the range is mapped and no table exists
 *   Table       faults here are 4 KiB faults; stays until the addresses are unmapped (munmap)
 *   HugeRead    all 512 pages are mapped read-only, in the model; the host maps each when it is touched (a fill-in)
 *   HugeWrite   the same, writable
 *
 * And for each GiB: Table once anything was tried there (the pud), which is all that 1 GiB faults ever leave behind.
 *
 * And the pages of private mappings that answer with SIGBUS: see noteFailed.
 *
 * Slots belong to addresses, not to mappings: pieces of a split mapping, and neighbours, share the table of the 2 MiB
 * they share. A huge entry lies in one mapping always.
 *
 *   storage   one extent tree for the mount, key = address / 2 MiB, state = SlotState; neighbours in one state share a
 *             record. GiB keys are apart, above GIB_KEYS, and so are pages, above FAILED_KEYS
 *   visits    are made with the lock held: a visitor asks no slots
 *   size      2 words: the root of the tree, and its lock, a leaf (the kernel's page-table lock); zero memory is valid
 */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { ExtentCursor, type ExtentTree } from '../tree/extent-tree.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'

export const enum SlotState {
  Empty = 0,
  Table = 1,
  HugeRead = 2,
  HugeWrite = 3,
}

/** By number: the extent tree knows states as numbers only. */
const STATES = [SlotState.Empty, SlotState.Table, SlotState.HugeRead, SlotState.HugeWrite] as const
const GIB = 2 ** 30
/** Keys of user addresses (below 2^47) in 2 MiB units stay below 2^26. */
const GIB_KEYS = 2 ** 30
/** Pages by address; below 2^35, so that these keys come after all others. */
const FAILED_KEYS = 2 ** 36

export class Slots {
  readonly #cursor = new ExtentCursor()

  constructor(
    private readonly words: SharedWords,
    private readonly tree: ExtentTree,
    /** Word address of root and lock. */
    private readonly base: number,
  ) {}

  /** Context: takes the slot lock. */
  get(address: number): SlotState {
    this.#lock()
    const state = this.#stateAt(Math.floor(address / Page.PmdSize))
    this.#unlock()
    return state
  }

  /** Return: 0 or -ENOSPC (pool of extents exhausted). Context: takes the slot lock. */
  set(address: number, state: SlotState): Errno {
    this.#lock()
    const error = this.#write(Math.floor(address / Page.PmdSize), 1, state)
    this.#unlock()
    return error
  }

  /** Note that the GiB of `address` has a table of 2 MiB entries. Return: true when it had none before. */
  touchGib(address: number): boolean {
    const key = GIB_KEYS + Math.floor(address / GIB)
    this.#lock()
    const fresh = this.#stateAt(key) === SlotState.Empty
    if (fresh) this.#write(key, 1, SlotState.Table)
    this.#unlock()
    return fresh
  }

  /**
   * Drop the huge entries that overlap [address, address + length): they become Empty.
   * visit: called with the whole range of each, so that the host's pages go too.
   */
  dropHuge(address: number, length: number, visit: (address: number, length: number) => void): void {
    const end = Math.ceil((address + length) / Page.PmdSize)
    this.#lock()
    let key = Math.floor(address / Page.PmdSize)
    const cursor = this.#cursor
    while (key < end && this.tree.findFrom(this.base, key, cursor) && cursor.start < end) {
      const first = Math.max(key, cursor.start)
      const last = Math.min(end, cursor.start + cursor.length)
      key = last
      if (cursor.state < SlotState.HugeRead) continue
      this.#write(first, last - first, SlotState.Empty)
      visit(first * Page.PmdSize, (last - first) * Page.PmdSize)
    }
    this.#unlock()
  }

  /** Huge entries that overlap the range lose write access. */
  protectHuge(address: number, length: number): void {
    const end = Math.ceil((address + length) / Page.PmdSize)
    this.#lock()
    let key = Math.floor(address / Page.PmdSize)
    const cursor = this.#cursor
    while (key < end && this.tree.findFrom(this.base, key, cursor) && cursor.start < end) {
      const first = Math.max(key, cursor.start)
      const last = Math.min(end, cursor.start + cursor.length)
      key = last
      if (cursor.state === SlotState.HugeWrite) this.#write(first, last - first, SlotState.HugeRead)
    }
    this.#unlock()
  }

  /**
   * [start, end) is unmapped; the mappings before and after it end at `floor` and start at `ceiling`. Tables and huge
   * entries go, but a table that a neighbour shares stays (free_pgtables).
   */
  forget(start: number, end: number, floor: number, ceiling: number): void {
    this.takeFailed(start, end - start)
    this.#lock()
    this.#removeUnits(start, end, floor, ceiling, Page.PmdSize, 0)
    this.#removeUnits(start, end, floor, ceiling, GIB, GIB_KEYS)
    this.#unlock()
  }

  /**
   * Remember that this page of a private mapping answers with SIGBUS. The page table does not tell such a page from a
   * private copy that is swapped out, which must never be dropped. Without room to remember it stays until unmapped.
   */
  noteFailed(address: number): void {
    this.#lock()
    this.#write(FAILED_KEYS + Math.floor(address / Page.Size), 1, SlotState.Table)
    this.#unlock()
  }

  /** Forget the failed pages of [address, address + length). visit: called with each run of them. */
  takeFailed(address: number, length: number, visit?: (address: number, length: number) => void): void {
    const end = FAILED_KEYS + Math.ceil((address + length) / Page.Size)
    let key = FAILED_KEYS + Math.floor(address / Page.Size)
    const cursor = this.#cursor
    this.#lock()
    while (key < end && this.tree.findFrom(this.base, key, cursor) && cursor.start < end) {
      const first = Math.max(key, cursor.start)
      const last = Math.min(end, cursor.start + cursor.length)
      key = last
      this.#write(first, last - first, SlotState.Empty)
      visit?.((first - FAILED_KEYS) * Page.Size, (last - first) * Page.Size)
    }
    this.#unlock()
  }

  /** A whole huge entry, or a table, goes from one 2 MiB to another (move_normal_pmd). */
  move(from: number, to: number): void {
    this.#lock()
    const state = this.#stateAt(Math.floor(from / Page.PmdSize))
    this.#write(Math.floor(from / Page.PmdSize), 1, SlotState.Empty)
    this.#write(Math.floor(to / Page.PmdSize), 1, state)
    this.#unlock()
  }

  #removeUnits(start: number, end: number, floor: number, ceiling: number, unit: number, keys: number): void {
    const down = Math.floor(start / unit)
    const up = Math.ceil(end / unit)
    const first = down * unit >= floor ? down : down + 1
    const last = up * unit <= ceiling ? up : up - 1
    if (first < last) this.tree.remove(this.base, keys + first, last - first)
  }

  #stateAt(key: number): SlotState {
    if (!this.tree.find(this.base, key, this.#cursor)) return SlotState.Empty
    return STATES[this.#cursor.state] ?? SlotState.Empty
  }

  #write(key: number, count: number, state: SlotState): Errno {
    if (state === SlotState.Empty) return this.tree.remove(this.base, key, count)
    return this.tree.insert(this.base, key, count, 0, state)
  }

  #lock(): void {
    mutexLock(this.words, this.base + 1)
  }

  #unlock(): void {
    mutexUnlock(this.words, this.base + 1)
  }
}
