/**
 * Scanning: where a scan stands, and the walk that finds the next entry without allocating.
 *
 * A scan never keeps a node or a slot between two calls, only indices. So a caller may drop the tree's lock, sleep,
 * take it again and go on: from cursor.after() when it is done with the entry, or from cursor.index when it had to
 * wait for it and must look again (K13, B33, B34). Only `scanNeighbour` goes on from a place, for who kept the lock.
 */
import { BugError } from '../assert.js'
import { type Entry, NULL_ENTRY, canonicalOffset, isNodePointer, isSibling, nodeIdOf, orderOf } from './entry.js'
import { NodeWord, covers } from './node.js'
import type { NodePool } from './node-pool.js'
import { type Mark, RootWord } from './root.js'

/** What a scan found. Meaningless until a scan returned true. */
export class Cursor {
  /** First index of the entry: at or below the index asked for when that is inside a 2 MiB entry. */
  index = 0
  /** 0 or 9. */
  order = 0
  entry: Entry = NULL_ENTRY
  /** Of the entry, as RadixTree.placeOf. */
  place = 0

  /**
   * Where to go on: the first index past the entry. Adding 1 to `index` instead would find the same 2 MiB entry again
   * and again (B6, B32). 2^32 after an entry at the very end; scans from there find nothing.
   */
  after(): number {
    return this.index + (1 << this.order)
  }
}

/** In place of a mark: every entry matches. */
export const ANY_ENTRY = -1

/**
 * First entry that overlaps [from, last] and carries `mark` (or any entry, with ANY_ENTRY).
 *
 * Walks down from the head; when a node has nothing left, starts again at the head with the first index past that node.
 * That costs one more walk per exhausted node, and spares a stack.
 *
 * Context: the tree's lock is held.
 * Return: true with the cursor filled in; false when there is none, the cursor is unchanged.
 */
export function scan(
  pool: NodePool,
  root: number,
  from: number,
  last: number,
  mark: Mark | typeof ANY_ENTRY,
  cursor: Cursor,
): boolean {
  const { words, format } = pool
  const { bits, mask } = format
  const head = words.get(root + RootWord.Head)
  if (head === NULL_ENTRY) return false
  const top = pool.at(nodeIdOf(head))
  const topShift = words.get(top + NodeWord.Shift)

  let id = nodeIdOf(head)
  let node = top
  let shift = topShift
  let index = from
  while (index <= last && covers(topShift + bits, index)) {
    let offset = (index >>> shift) & mask
    const here = format.slot(node, offset)
    // The marks of a multi-order entry are on its first slot, which may be left of where the range starts.
    if (isSibling(here)) offset = canonicalOffset(here)

    const span = shift + bits
    const lastHere = span >= 32 || index >>> span === last >>> span
    const stop = lastHere ? (last >>> shift) & mask : mask
    const found =
      mark === ANY_ENTRY ? format.nextPresent(node, offset, stop) : format.nextMarked(node, mark, offset, stop)
    if (found > stop) {
      if (lastHere) return false
      index = ((((index >>> shift) | mask) + 1) << shift) >>> 0
      id = nodeIdOf(head)
      node = top
      shift = topShift
      continue
    }
    if (found !== ((index >>> shift) & mask)) index = ((((index >>> shift) & ~mask) | found) << shift) >>> 0
    const entry = format.slot(node, found)
    if (!isNodePointer(entry)) {
      const order = orderOf(entry)
      cursor.index = ((index >>> order) << order) >>> 0
      cursor.order = order
      cursor.entry = entry
      cursor.place = (id << bits) | found
      return true
    }
    id = nodeIdOf(entry)
    node = pool.at(id)
    shift -= bits
    // A pointer in a leaf means a corrupt tree; following it might never end.
    if (shift < 0) throw new BugError('node pointer in a leaf', { root, index })
  }
  return false
}

/**
 * As \`scan\` from cursor.after() on, for a mark, without the way down where the next entry is in the same leaf.
 * Context: the tree's lock has been held since the cursor was filled in, and no entry has come or gone.
 */
export function scanNeighbour(pool: NodePool, root: number, last: number, mark: Mark, cursor: Cursor): boolean {
  const { format } = pool
  const { bits, mask } = format
  const { place, index } = cursor
  const node = pool.at(place >>> bits)
  const offset = place & mask
  const beyond = cursor.after()
  if (beyond > last) return false
  // A slot of a leaf is one index; at the end of a leaf, and above leaves, the walk is needed.
  if (cursor.order !== 0 || offset === mask) return scan(pool, root, beyond, last, mark, cursor)
  const stop = last - index < mask - offset ? offset + last - index : mask
  const found = format.nextMarked(node, mark, offset + 1, stop)
  if (found > stop) return stop < mask ? false : scan(pool, root, index + mask - offset + 1, last, mark, cursor)
  cursor.index = index + found - offset
  cursor.entry = format.slot(node, found)
  cursor.place = place + found - offset
  return true
}
