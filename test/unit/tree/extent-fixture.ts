/** One extent tree in a memory of its own, and its contents as plain objects. */
import { ExtentPool } from '../../../lib/tree/extent-pool.js'
import { ExtentCursor, ExtentTree } from '../../../lib/tree/extent-tree.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'

export interface Extent {
  start: number
  length: number
  value: number
  state: number
}

export interface TreeFixture {
  tree: ExtentTree
  pool: ExtentPool
  /** The root of the tree under test. */
  root: number
  /** A second tree in the same pool. */
  otherRoot: number
}

export function treeFixture(capacity: number, valueless = false): TreeFixture {
  const words = new AtomicWords(new SharedArrayBuffer(4 * (2 + ExtentPool.wordsFor(capacity))))
  const pool = new ExtentPool(words, 2, capacity)
  pool.initialise()
  return { tree: new ExtentTree(words, pool, valueless), pool, root: 0, otherRoot: 1 }
}

export function copyOf({ start, length, value, state }: ExtentCursor): Extent {
  return { start, length, value, state }
}

export function extentsOf(tree: ExtentTree, root: number): Extent[] {
  const extents: Extent[] = []
  const cursor = new ExtentCursor()
  for (let key = 0; tree.findFrom(root, key, cursor); key = cursor.start + cursor.length) extents.push(copyOf(cursor))
  return extents
}

/** Return: `start+length=value/state` for each extent, which reads well in a failed comparison. */
export function pictureOf(tree: ExtentTree, root: number): string {
  return extentsOf(tree, root)
    .map(({ start, length, value, state }) => `${start}+${length}=${value}/${state}`)
    .join(' ')
}
