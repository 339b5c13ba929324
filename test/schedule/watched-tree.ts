/**
 * The real radix tree, and what nobody may do to an entry at any moment: mark a zero or empty one DIRTY (K6), or unlock
 * one that another thread locked.
 */
import { type Entry, NULL_ENTRY, describeEntry, isEmpty, isLocked, isZero } from '../../lib/tree/entry.js'
import type { NodePool } from '../../lib/tree/node-pool.js'
import { RadixTree } from '../../lib/tree/radix-tree.js'
import { Mark } from '../../lib/tree/root.js'
import type { Turnstile } from './turnstile.js'

export class WatchedTree extends RadixTree {
  /** owners: for each root and index, see place, the thread + 1 that locked the entry. */
  constructor(
    pool: NodePool,
    private readonly turnstile: Turnstile,
    private readonly owners: Int32Array,
    private readonly place: (root: number, index: number) => number,
  ) {
    super(pool)
  }

  override store(root: number, index: number, order: number, entry: Entry): number {
    if (this.turnstile.active) this.#requireOwner(root, index, entry)
    const result = super.store(root, index, order, entry)
    if (this.turnstile.active && result === 0) this.#own(root, index, entry)
    return result
  }

  override replaceAt(root: number, index: number, place: number, entry: Entry): void {
    if (this.turnstile.active) this.#requireOwner(root, index, entry)
    super.replaceAt(root, index, place, entry)
    if (this.turnstile.active) this.#own(root, index, entry)
  }

  override insert(root: number, index: number, order: number, entry: Entry): number {
    const place = super.insert(root, index, order, entry)
    if (this.turnstile.active && place >= 0) this.#own(root, index, entry)
    return place
  }

  #requireOwner(root: number, index: number, entry: Entry): void {
    const { turnstile, owners } = this
    const before = this.load(root, index)
    const place = this.place(root, index)
    const me = turnstile.me + 1
    if (isLocked(before)) {
      const owner = owners[place] as number
      if (owner !== 0 && owner !== me) {
        const what = `${describeEntry(before)} at ${index}, locked by thread ${owner - 1}`
        turnstile.fail('unlock by a stranger', `thread ${me - 1} stores ${describeEntry(entry)} over ${what}`)
      }
    }
  }

  #own(root: number, index: number, entry: Entry): void {
    this.owners[this.place(root, index)] = isLocked(entry) ? this.turnstile.me + 1 : 0
    if (entry !== NULL_ENTRY) this.#requireCleanHole(root, index, entry)
  }

  override setMarkAt(root: number, index: number, place: number, mark: Mark): void {
    super.setMarkAt(root, index, place, mark)
    if (this.turnstile.active) this.#requireCleanHole(root, index, this.load(root, index))
  }

  #requireCleanHole(root: number, index: number, entry: Entry): void {
    if (!isZero(entry) && !isEmpty(entry)) return
    if (!this.getMark(root, index, Mark.Dirty)) return
    this.turnstile.fail('invariant', `K6: ${describeEntry(entry)} at ${index} is DIRTY`)
  }
}
