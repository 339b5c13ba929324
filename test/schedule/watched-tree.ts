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
    const { turnstile, owners } = this
    if (!turnstile.active) return super.store(root, index, order, entry)
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
    const result = super.store(root, index, order, entry)
    if (result === 0) owners[place] = isLocked(entry) ? me : 0
    if (entry !== NULL_ENTRY) this.#requireCleanHole(root, index, entry)
    return result
  }

  override setMark(root: number, index: number, mark: Mark): void {
    super.setMark(root, index, mark)
    if (this.turnstile.active) this.#requireCleanHole(root, index, this.load(root, index))
  }

  #requireCleanHole(root: number, index: number, entry: Entry): void {
    if (!isZero(entry) && !isEmpty(entry)) return
    if (!this.getMark(root, index, Mark.Dirty)) return
    this.turnstile.fail('invariant', `K6: ${describeEntry(entry)} at ${index} is DIRTY`)
  }
}
