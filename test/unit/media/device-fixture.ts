/** A small device: allocator, extent pool and block map in one memory, with room for some inode roots. */
import { BlockMap } from '../../../lib/media/block-map.js'
import { ExtentPool } from '../../../lib/tree/extent-pool.js'
import { ExtentTree } from '../../../lib/tree/extent-tree.js'
import { PfnAllocator } from '../../../lib/media/pfn-allocator.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'

const ROOTS = 8

export interface DeviceFixture {
  buffer: SharedArrayBuffer
  /** Where the pfn allocator begins. */
  base: number
  words: AtomicWords
  pfns: PfnAllocator
  pool: ExtentPool
  tree: ExtentTree
  map: BlockMap
}

/** Words 0 .. 7 are inode roots. */
export function deviceFixture(capacityPages: number, extents = 1024): DeviceFixture {
  const allocatorWords = PfnAllocator.wordsFor(capacityPages)
  const size = ROOTS + allocatorWords + ExtentPool.wordsFor(extents)
  const buffer = new SharedArrayBuffer(4 * size)
  const words = new AtomicWords(buffer)
  const pfns = new PfnAllocator(words, ROOTS, capacityPages)
  const pool = new ExtentPool(words, ROOTS + allocatorWords, extents)
  pfns.initialise()
  pool.initialise()
  const tree = new ExtentTree(words, pool)
  return { buffer, base: ROOTS, words, pfns, pool, tree, map: new BlockMap(tree, pfns) }
}
