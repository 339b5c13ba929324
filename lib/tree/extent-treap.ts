/**
 * The order of the records of one extent tree: a treap over an ExtentPool, keyed by start.
 *
 *   root    one word, given per call: the id of the topmost record, 0 when there is none
 *   lock    the caller holds the lock that guards the root
 *
 * The priority of a record is a hash of its id. The hash is one-to-one, so priorities differ, take no word, and know
 * nothing of the keys: depth is logarithmic whatever the order of insertion. Starts may be changed in place as long as
 * the order of the records stays the same; lengths at any time.
 *
 * No parent links and no recursion: a link is followed by the *word that holds it*, so the root is no special case.
 */
import { assert } from '../assert.js'
import type { SharedWords } from '../sync/shared-words.js'
import type { ExtentPool } from './extent-pool.js'

export class ExtentTreap {
  readonly #words: SharedWords
  readonly #pool: ExtentPool

  constructor(words: SharedWords, pool: ExtentPool) {
    this.#words = words
    this.#pool = pool
  }

  /** Return: the last record that starts before `key`, or 0. */
  startingBefore(root: number, key: number): number {
    const words = this.#words
    const pool = this.#pool
    let found = 0
    let id = words.get(root)
    while (id !== 0) {
      if (pool.startOf(id) < key) {
        found = id
        id = words.get(pool.rightAt(id))
      } else {
        id = words.get(pool.leftAt(id))
      }
    }
    return found
  }

  /** Return: the first record that starts at `key` or after it, or 0. */
  startingFrom(root: number, key: number): number {
    const words = this.#words
    const pool = this.#pool
    let found = 0
    let id = words.get(root)
    while (id !== 0) {
      if (pool.startOf(id) >= key) {
        found = id
        id = words.get(pool.leftAt(id))
      } else {
        id = words.get(pool.rightAt(id))
      }
    }
    return found
  }

  /** Return: the first record that ends after `key` (it contains `key`, or follows it), or 0. */
  endingAfter(root: number, key: number): number {
    const words = this.#words
    const pool = this.#pool
    let found = 0
    let id = words.get(root)
    while (id !== 0) {
      const start = pool.startOf(id)
      if (start + pool.lengthOf(id) <= key) {
        id = words.get(pool.rightAt(id))
      } else {
        found = id
        // Disjoint extents: when this one contains the key, none before it can.
        if (start <= key) break
        id = words.get(pool.leftAt(id))
      }
    }
    return found
  }

  /** Add a record whose start no other record has. */
  link(root: number, id: number): void {
    const words = this.#words
    const pool = this.#pool
    const start = pool.startOf(id)
    const priority = priorityOf(id)
    let link = root
    let below = words.get(link)
    while (below !== 0 && priorityOf(below) > priority) {
      link = start < pool.startOf(below) ? pool.leftAt(below) : pool.rightAt(below)
      below = words.get(link)
    }
    words.set(link, id)
    // What was here has smaller priorities and becomes the two subtrees of the new record, cut in two by its start.
    let less = pool.leftAt(id)
    let more = pool.rightAt(id)
    while (below !== 0) {
      if (pool.startOf(below) < start) {
        words.set(less, below)
        less = pool.rightAt(below)
        below = words.get(less)
      } else {
        words.set(more, below)
        more = pool.leftAt(below)
        below = words.get(more)
      }
    }
    words.set(less, 0)
    words.set(more, 0)
  }

  /** Take a record out; the caller frees it. */
  unlink(root: number, id: number): void {
    const words = this.#words
    const pool = this.#pool
    const start = pool.startOf(id)
    let link = root
    let at = words.get(link)
    while (at !== id) {
      assert(at !== 0, 'extent record is not in its tree', { root, id, start })
      link = start < pool.startOf(at) ? pool.leftAt(at) : pool.rightAt(at)
      at = words.get(link)
    }
    let left = words.get(pool.leftAt(id))
    let right = words.get(pool.rightAt(id))
    while (left !== 0 && right !== 0) {
      if (priorityOf(left) > priorityOf(right)) {
        words.set(link, left)
        link = pool.rightAt(left)
        left = words.get(link)
      } else {
        words.set(link, right)
        link = pool.leftAt(right)
        right = words.get(link)
      }
    }
    words.set(link, left === 0 ? right : left)
  }

  /** Free every record. One step a record: left children are rotated up until there is none. */
  clear(root: number): void {
    const words = this.#words
    const pool = this.#pool
    let id = words.get(root)
    words.set(root, 0)
    while (id !== 0) {
      const left = words.get(pool.leftAt(id))
      if (left === 0) {
        const right = words.get(pool.rightAt(id))
        pool.free(id)
        id = right
      } else {
        words.set(pool.leftAt(id), words.get(pool.rightAt(left)))
        words.set(pool.rightAt(left), id)
        id = left
      }
    }
  }

  /** Return: the ids in key order. Throws BugError when a link or the heap order is wrong. For verification. */
  inOrder(root: number): number[] {
    const words = this.#words
    const pool = this.#pool
    const order: number[] = []
    const ancestors: number[] = []
    let id = words.get(root)
    while (id !== 0 || ancestors.length !== 0) {
      while (id !== 0) {
        assert(id >= 1 && id <= pool.capacity, 'extent tree links to no record', { root, id })
        assert(order.length + ancestors.length < pool.inUse, 'extent tree has more records than are in use', { root })
        for (const child of [words.get(pool.leftAt(id)), words.get(pool.rightAt(id))]) {
          assert(child === 0 || priorityOf(child) < priorityOf(id), 'extent tree is no heap', { root, id, child })
        }
        ancestors.push(id)
        id = words.get(pool.leftAt(id))
      }
      id = ancestors.pop() ?? 0
      order.push(id)
      id = words.get(pool.rightAt(id))
    }
    return order
  }
}

/** A hash without collisions (the finaliser of MurmurHash3), as an unsigned number. */
function priorityOf(id: number): number {
  let hash = Math.imul(id ^ (id >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
