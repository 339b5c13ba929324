/**
 * Marks and their propagation.
 *
 * Invariant: the bit of a child pointer is set exactly when some bit in the child is, and the root's bit exactly when
 * some bit in the head is. So a walk towards the root may stop at the first bit that is already as wanted: everything
 * above it is too.
 *
 * All functions here expect the tree's lock held, and never sleep.
 */
import { NodeWord } from './node.js'
import type { NodePool } from './node-pool.js'
import { type Mark, RootWord } from './root.js'

/** Set the mark of slot `offset` in node `id`, and of everything above it. */
export function raiseMarkUp(pool: NodePool, root: number, id: number, offset: number, mark: Mark): void {
  const { words, format } = pool
  let node = pool.at(id)
  let slot = offset
  while (format.raiseMark(node, mark, slot)) {
    const parent = words.get(node + NodeWord.Parent)
    if (parent === 0) {
      words.set(root + RootWord.Marks, words.get(root + RootWord.Marks) | (1 << mark))
      return
    }
    slot = words.get(node + NodeWord.Offset)
    node = pool.at(parent)
  }
}

/** Clear the mark of slot `offset` in node `id`, and above it wherever it was the last one. */
export function dropMarkUp(pool: NodePool, root: number, id: number, offset: number, mark: Mark): void {
  const { words, format } = pool
  let node = pool.at(id)
  let slot = offset
  while (format.dropMark(node, mark, slot) && !format.anyMarked(node, mark)) {
    const parent = words.get(node + NodeWord.Parent)
    if (parent === 0) {
      words.set(root + RootWord.Marks, words.get(root + RootWord.Marks) & ~(1 << mark))
      return
    }
    slot = words.get(node + NodeWord.Offset)
    node = pool.at(parent)
  }
}
