/** A pool with room for a few trees, for tests of lib/tree and of what is built on it. */
import { NodePool } from '../../lib/tree/node-pool.js'
import { RadixTree } from '../../lib/tree/radix-tree.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'

const TREES = 4

export interface TreeBench {
  readonly words: AtomicWords
  readonly pool: NodePool
  readonly tree: RadixTree
  /** Root records of empty trees. */
  readonly root: number
  readonly otherRoot: number
}

/** bits: log2 of the fan-out. capacity: nodes of the pool. */
export function treeBench(bits: number, capacity = 512): TreeBench {
  const rootWords = TREES * RadixTree.ROOT_WORDS
  const size = rootWords + NodePool.wordsFor(capacity, bits)
  const words = new AtomicWords(new SharedArrayBuffer(size * 4))
  // Memory a previous owner left something in: nothing may rely on zeros it did not write.
  for (let at = 0; at < size; at++) words.set(at, 0x5a5a5a5a)
  const pool = new NodePool(words, rootWords, capacity, bits)
  pool.initialise()
  const tree = new RadixTree(pool)
  for (let at = 0; at < TREES; at++) tree.initialise(at * RadixTree.ROOT_WORDS)
  return { words, pool, tree, root: RadixTree.ROOT_WORDS, otherRoot: 2 * RadixTree.ROOT_WORDS }
}
