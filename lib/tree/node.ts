/**
 * One node of the tree, as words.
 *
 *   ┌────────┬────────┬───────┬───────┬──────────────────┬───────────────┬─────────────────┐
 *   │ parent │ offset │ shift │ count │ slots [fan-out]  │ DIRTY bits    │ TOWRITE bits    │
 *   └────────┴────────┴───────┴───────┴──────────────────┴───────────────┴─────────────────┘
 *    1        1        1       1       2^bits             ⌈2^bits / 32⌉   ⌈2^bits / 32⌉       72 words at 64 slots
 *
 *   parent   node id, 0 when this is the head; in a free node: the next free id
 *   offset   which slot of the parent points here
 *   shift    a slot covers 2^shift indices; always a multiple of `bits`; FREED_SHIFT in a free node
 *   count    slots that are not null, siblings included; 0 only while a node is being attached or pruned
 *   slots    null, an entry, a pointer to a child (shift > 0), or a sibling
 *   marks    bit i belongs to slot i. On a child pointer: some entry below carries the mark, and only then.
 *            On a multi-order entry: only the first slot has the bit; those of its siblings stay 0.
 *
 * Zeroed by NodePool.allocate, then guarded by the lock of the tree it is attached to: plain access only, no wait word.
 * At 64 slots a full leaf costs 4.5 bytes a page.
 *
 * Here `node` is always the address of a node's first word, `id` its number in the pool, `offset` a slot number.
 */
import { assert } from '../assert.js'
import type { SharedWords } from '../sync/shared-words.js'
import { type Entry, NULL_ENTRY } from './entry.js'
import type { Mark } from './root.js'

/** Word positions in a node; the mark words follow the last slot. */
export const enum NodeWord {
  Parent = 0,
  Offset = 1,
  Shift = 2,
  Count = 3,
  Slots = 4,
}

/** In the shift word of a free node: catches a double free, and a pointer that outlived its node. */
export const FREED_SHIFT = -1

const MARKS = 2

/** True when a node whose slots span `span` bits of index in all reaches `index`. */
export function covers(span: number, index: number): boolean {
  return span >= 32 || index >>> span === 0
}

/** Where everything is in a node of 2^bits slots, and the accesses that need to know it. */
export class NodeFormat {
  readonly fanOut: number
  /** fanOut - 1: masks a slot number out of an index. */
  readonly mask: number
  readonly markWords: number
  /** Words in a node. */
  readonly size: number
  readonly #words: SharedWords
  readonly #marksAt: number

  /** bits: log2 of the fan-out, 2 to 6. */
  constructor(
    words: SharedWords,
    readonly bits: number,
  ) {
    this.#words = words
    this.size = NodeFormat.sizeFor(bits)
    this.fanOut = 1 << bits
    this.mask = this.fanOut - 1
    this.markWords = Math.ceil(this.fanOut / 32)
    this.#marksAt = NodeWord.Slots + this.fanOut
  }

  /** Words in a node with 2^bits slots. */
  static sizeFor(bits: number): number {
    assert(Number.isInteger(bits) && bits >= 2 && bits <= 6, 'fan-out bits must be 2 to 6', bits)
    return NodeWord.Slots + (1 << bits) + MARKS * Math.ceil((1 << bits) / 32)
  }

  slot(node: number, offset: number): Entry {
    return this.#words.get(node + NodeWord.Slots + offset)
  }

  setSlot(node: number, offset: number, entry: Entry): void {
    this.#words.set(node + NodeWord.Slots + offset, entry)
  }

  addCount(node: number, delta: number): void {
    this.#words.set(node + NodeWord.Count, this.#words.get(node + NodeWord.Count) + delta)
  }

  /** Address of the 32 mark bits number `word` of a node. */
  markAt(node: number, mark: Mark, word: number): number {
    return node + this.#marksAt + (mark as number) * this.markWords + word
  }

  testMark(node: number, mark: Mark, offset: number): boolean {
    return (this.#words.get(this.markAt(node, mark, offset >>> 5)) & (1 << (offset & 31))) !== 0
  }

  /** Return: false when the bit was set already. */
  raiseMark(node: number, mark: Mark, offset: number): boolean {
    const at = this.markAt(node, mark, offset >>> 5)
    const before = this.#words.get(at)
    const after = before | (1 << (offset & 31))
    if (before === after) return false
    this.#words.set(at, after)
    return true
  }

  /** Return: false when the bit was clear already. */
  dropMark(node: number, mark: Mark, offset: number): boolean {
    const at = this.markAt(node, mark, offset >>> 5)
    const before = this.#words.get(at)
    const after = before & ~(1 << (offset & 31))
    if (before === after) return false
    this.#words.set(at, after)
    return true
  }

  anyMarked(node: number, mark: Mark): boolean {
    const at = this.markAt(node, mark, 0)
    if (this.#words.get(at) !== 0) return true
    return this.markWords === 2 && this.#words.get(at + 1) !== 0
  }

  /** First slot in [offset, last] with the mark; a number above `last` when there is none. */
  nextMarked(node: number, mark: Mark, offset: number, last: number): number {
    const lastWord = last >>> 5
    let word = offset >>> 5
    let bits = this.#words.get(this.markAt(node, mark, word)) & (-1 << (offset & 31))
    while (bits === 0) {
      if (++word > lastWord) return last + 1
      bits = this.#words.get(this.markAt(node, mark, word))
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits)
  }

  /** First slot in [offset, last] that is not null; last + 1 when there is none. */
  nextPresent(node: number, offset: number, last: number): number {
    let at = offset
    while (at <= last && this.#words.get(node + NodeWord.Slots + at) === NULL_ENTRY) at++
    return at
  }
}
