/**
 * The first step of writeback: choose what this sync will write (K1.9 a).
 *
 * Every DIRTY entry of the range gets TOWRITE, in one go under the tree's lock. The set is fixed from then on, so a
 * sync ends even when others keep dirtying: what they dirty now is the next sync's job. Only nodes with dirty entries
 * are visited, and a leaf is tagged 32 slots at a time, which keeps the section short enough to hold the lock through.
 */
import { canonicalOffset, isNodePointer, isSibling, nodeIdOf } from './entry.js'
import { NodeWord, covers } from './node.js'
import type { NodePool } from './node-pool.js'
import type { RadixTree } from './radix-tree.js'
import { Mark, RootWord } from './root.js'

const ALL_ONES = 0xffffffff

/**
 * Tag the dirty entries overlapping [first, last] (tag_pages_for_writeback); a 2 MiB entry counts when any part of it
 * is in the range.
 * Context: the tree's lock is held; never sleeps.
 * Return: number of DIRTY entries in the range, all of them TOWRITE now, those an earlier sync tagged included.
 */
export function tagRangeForWriteback(tree: RadixTree, root: number, first: number, last: number): number {
  if (first > last || !tree.isMarked(root, Mark.Dirty)) return 0
  const { pool } = tree
  const { words, format } = pool
  const head = pool.at(nodeIdOf(words.get(root + RootWord.Head)))
  const shift = words.get(head + NodeWord.Shift)
  const span = shift + format.bits
  if (!covers(span, first)) return 0
  const count = tagNode(pool, head, shift, first, covers(span, last) ? last : ALL_ONES)
  if (count > 0) words.set(root + RootWord.Marks, words.get(root + RootWord.Marks) | (1 << Mark.ToWrite))
  return count
}

/** The part of first and last above the node's span does not matter: only slot numbers are taken from them. */
function tagNode(pool: NodePool, node: number, shift: number, first: number, last: number): number {
  const { format } = pool
  const from = (first >>> shift) & format.mask
  const stop = (last >>> shift) & format.mask
  if (shift === 0) return tagLeaf(pool, node, from, stop)
  const edge = format.slot(node, from)
  // The mark of a 2 MiB entry that reaches into the range from the left is on its first slot.
  const start = isSibling(edge) ? canonicalOffset(edge) : from
  let count = 0
  let offset = format.nextMarked(node, Mark.Dirty, start, stop)
  while (offset <= stop) {
    const entry = format.slot(node, offset)
    let below = 1
    if (isNodePointer(entry)) {
      const childFirst = offset === from ? first : 0
      const childLast = offset === stop ? last : ALL_ONES
      below = tagNode(pool, pool.at(nodeIdOf(entry)), shift - format.bits, childFirst, childLast)
    }
    if (below > 0) format.raiseMark(node, Mark.ToWrite, offset)
    count += below
    if (offset === stop) break
    offset = format.nextMarked(node, Mark.Dirty, offset + 1, stop)
  }
  return count
}

/** A leaf has no siblings: its slots are its indices. */
function tagLeaf(pool: NodePool, leaf: number, from: number, stop: number): number {
  const { words, format } = pool
  let count = 0
  for (let word = from >>> 5; word <= stop >>> 5; word++) {
    let chosen = words.get(format.markAt(leaf, Mark.Dirty, word))
    if (word === from >>> 5) chosen &= -1 << (from & 31)
    if (word === stop >>> 5) chosen &= -1 >>> (31 - (stop & 31))
    if (chosen === 0) continue
    const at = format.markAt(leaf, Mark.ToWrite, word)
    words.set(at, words.get(at) | chosen)
    count += bitCount(chosen)
  }
  return count
}

function bitCount(bits: number): number {
  let sum = bits - ((bits >>> 1) & 0x55555555)
  sum = (sum & 0x33333333) + ((sum >>> 2) & 0x33333333)
  return Math.imul((sum + (sum >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
