/**
 * Growing and shrinking: which nodes a tree has.
 *
 * Shape invariant, true whenever the tree's lock is free:
 *   - no node is empty, so an index range is null exactly when no node pointer or entry is met in it
 *   - the head is as low as it can be: it is not a node whose only slot is a pointer in slot 0
 *
 * makeRoom may break it on the way, and prune restores it, after an erase as well as after a failure midway; this is
 * what makes a store that runs out of nodes leave the tree as it was.
 *
 * All functions here expect the tree's lock held; they take the pool mutex for each node they get or return.
 */
import { NULL_ENTRY, isNodePointer, nodeIdOf, nodePointer } from './entry.js'
import { NodeWord, covers } from './node.js'
import type { NodePool } from './node-pool.js'
import { Mark, RootWord } from './root.js'

/**
 * Make sure there is a path from the head to a node of shift `level` that covers `index`.
 * Context: the path is known to be free of entries.
 * Return: id of that node, maybe empty, to be filled at once; or 0 when the pool ran out, with the tree unchanged.
 */
export function makeRoom(pool: NodePool, root: number, index: number, level: number): number {
  const top = grow(pool, root, index, level)
  return top === 0 ? 0 : descend(pool, root, top, index, level)
}

/** Take away what an emptied slot in node `id` left without use: empty nodes upwards, then needless heads. */
export function prune(pool: NodePool, root: number, id: number): void {
  const { words, format } = pool
  let empty = id
  while (empty !== 0 && words.get(pool.at(empty) + NodeWord.Count) === 0) {
    const node = pool.at(empty)
    const parent = words.get(node + NodeWord.Parent)
    if (parent === 0) {
      words.set(root + RootWord.Head, NULL_ENTRY)
    } else {
      format.setSlot(pool.at(parent), words.get(node + NodeWord.Offset), NULL_ENTRY)
      format.addCount(pool.at(parent), -1)
    }
    pool.free(empty)
    empty = parent
  }
  lowerHead(pool, root)
}

/** Return: id of a head that covers `index`, or 0 with the tree unchanged. */
function grow(pool: NodePool, root: number, index: number, level: number): number {
  const { words, format } = pool
  const { bits } = format
  const head = words.get(root + RootWord.Head)
  if (head === NULL_ENTRY) {
    let shift = level
    while (!covers(shift + bits, index)) shift += bits
    return attach(pool, root, 0, 0, shift)
  }
  let id = nodeIdOf(head)
  let shift = words.get(pool.at(id) + NodeWord.Shift)
  while (!covers(shift + bits, index)) {
    shift += bits
    id = raiseHead(pool, root, id, shift)
    if (id === 0) {
      lowerHead(pool, root)
      return 0
    }
  }
  return id
}

/** Put a node of `shift` above the head. Return: its id, or 0. */
function raiseHead(pool: NodePool, root: number, below: number, shift: number): number {
  const { words, format } = pool
  const id = pool.allocate()
  if (id === 0) return 0
  const node = pool.at(id)
  words.set(node + NodeWord.Shift, shift)
  words.set(node + NodeWord.Count, 1)
  format.setSlot(node, 0, nodePointer(below))
  if (format.anyMarked(pool.at(below), Mark.Dirty)) format.raiseMark(node, Mark.Dirty, 0)
  if (format.anyMarked(pool.at(below), Mark.ToWrite)) format.raiseMark(node, Mark.ToWrite, 0)
  // The old head's offset is 0 already: it was the head.
  words.set(pool.at(below) + NodeWord.Parent, id)
  words.set(root + RootWord.Head, nodePointer(id))
  return id
}

/** While the head is only a detour to its first child, drop it. The root's marks are those of the child already. */
function lowerHead(pool: NodePool, root: number): void {
  const { words, format } = pool
  for (;;) {
    const head = words.get(root + RootWord.Head)
    if (head === NULL_ENTRY) return
    const node = pool.at(nodeIdOf(head))
    if (words.get(node + NodeWord.Count) !== 1) return
    const child = format.slot(node, 0)
    if (!isNodePointer(child)) return
    words.set(pool.at(nodeIdOf(child)) + NodeWord.Parent, 0)
    words.set(root + RootWord.Head, child)
    pool.free(nodeIdOf(head))
  }
}

function descend(pool: NodePool, root: number, top: number, index: number, level: number): number {
  const { words, format } = pool
  const { bits, mask } = format
  let id = top
  let shift = words.get(pool.at(id) + NodeWord.Shift)
  while (shift > level) {
    const offset = (index >>> shift) & mask
    const below = format.slot(pool.at(id), offset)
    shift -= bits
    if (below !== NULL_ENTRY) {
      id = nodeIdOf(below)
      continue
    }
    const child = attach(pool, root, id, offset, shift)
    if (child === 0) {
      prune(pool, root, id)
      return 0
    }
    id = child
  }
  return id
}

/** Hang a new, empty node into slot `offset` of `parent`, or make it the head when `parent` is 0. Return: id or 0. */
function attach(pool: NodePool, root: number, parent: number, offset: number, shift: number): number {
  const { words, format } = pool
  const id = pool.allocate()
  if (id === 0) return 0
  const node = pool.at(id)
  words.set(node + NodeWord.Parent, parent)
  words.set(node + NodeWord.Offset, offset)
  words.set(node + NodeWord.Shift, shift)
  if (parent === 0) {
    words.set(root + RootWord.Head, nodePointer(id))
  } else {
    format.setSlot(pool.at(parent), offset, nodePointer(id))
    format.addCount(pool.at(parent), 1)
  }
  return id
}
