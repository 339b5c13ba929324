/**
 * Neighbouring 4 KiB entries of one leaf, locked and unlocked together: what mapping around a fault needs.
 *
 * A leaf is found once and its slots are next to each other, so a run costs hardly more than one entry. Only entries
 * that nobody has locked are taken: whoever holds one entry lock must not wait for another (D4).
 */
import { type Entry, isData, isLocked, isNodePointer, isPmd, lockedEntry, nodeIdOf, unlockedEntry } from './entry.js'
import { NodeWord, covers } from './node.js'
import type { RadixTree } from './radix-tree.js'
import { RootWord } from './root.js'

/** Is this entry one to take? Asked of 4 KiB data entries that are not locked. */
export type Choice<Context> = (context: Context, entry: Entry) => boolean

/**
 * Lock entries from `index` on, in the direction of `step`, up to `last` inclusive, the end of the leaf, or the first
 * that is missing, locked, no 4 KiB data entry, or not chosen.
 * step: 1 or -1. Context: the tree's lock is held. Return: how many were locked.
 */
export function lockRun<Context>(
  tree: RadixTree,
  root: number,
  index: number,
  last: number,
  step: 1 | -1,
  choose: Choice<Context>,
  context: Context,
): number {
  const { format } = tree.pool
  const leaf = leafOf(tree, root, index)
  if (leaf === 0) return 0
  const room = Math.min((last - index) * step + 1, step === 1 ? format.fanOut - (index & format.mask) : format.fanOut)
  let count = 0
  for (let offset = index & format.mask; count < room && offset >= 0; offset += step, count++) {
    const entry = format.slot(leaf, offset)
    if (!isData(entry) || isPmd(entry) || isLocked(entry) || !choose(context, entry)) break
    format.setSlot(leaf, offset, lockedEntry(entry))
  }
  return count
}

/** Unlock the `count` entries from `index` on that a lockRun locked. Context: the tree's lock is held. */
export function unlockRun(tree: RadixTree, root: number, index: number, count: number): void {
  const { format } = tree.pool
  const leaf = leafOf(tree, root, index)
  const first = index & format.mask
  for (let offset = first; offset < first + count; offset++) {
    format.setSlot(leaf, offset, unlockedEntry(format.slot(leaf, offset)))
  }
}

/** The node that has the slot of one page, or 0 when there is none. */
function leafOf(tree: RadixTree, root: number, index: number): number {
  const { pool } = tree
  const { words, format } = pool
  const head = words.get(root + RootWord.Head)
  if (!isNodePointer(head)) return 0
  let node = pool.at(nodeIdOf(head))
  let shift = words.get(node + NodeWord.Shift)
  if (!covers(shift + format.bits, index)) return 0
  for (; shift > 0; shift -= format.bits) {
    const entry = format.slot(node, (index >>> shift) & format.mask)
    if (!isNodePointer(entry)) return 0
    node = pool.at(nodeIdOf(entry))
  }
  return node
}
