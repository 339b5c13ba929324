/**
 * The tree grows and shrinks under a look-up (K1, S0.13): a store far out adds levels and nodes, a punch gives nodes
 * back, while another thread walks to a page that stays.
 *
 * Fan-out 4: page 1 alone needs one level, page 21 three. At the end the nodes in use are those of the tree.
 */
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { flushRange } from '../../../lib/dax/flush-range.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, loadByte, punch, storeByte } from './bodies.js'

const NEAR = 1
const FAR = 21

export const TREE_GROWTH: Harness = {
  name: 'tree-growth',
  shows: 'K1, S0.13: look-ups see the tree whole while nodes are added and given back',
  sizes: { pages: 24, treeNodes: 8 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, NEAR, 9)
    kernel.pageTable.load(kernel, 1, NEAR * PAGE)
  },
  threads: [
    {
      name: 'grow and shrink',
      run: (kernel) => {
        storeByte(kernel, 1, FAR * PAGE, 1)
        return punch(FAR).run(kernel)
      },
    },
    {
      name: 'look up',
      run: (kernel) => {
        storeByte(kernel, 1, NEAR * PAGE, 2)
        requireInvariant(flushRange(kernel, FILE, NEAR * PAGE, 64) === 1, 'the changed line was not found')
        requireInvariant(kernel.pending.fence(kernel.self) === 0, 'the fence failed')
        return loadByte(kernel, 1, NEAR * PAGE)
      },
    },
  ],
  check: (kernel, [, seen]) => {
    requireInvariant(seen === 2, `saw ${seen}`)
    requireInvariant(byteOf(kernel, NEAR * PAGE) === 2, 'the store is gone')
    requireInvariant(kernel.nodePool.inUse === 1, `${kernel.nodePool.inUse} nodes for one page`)
  },
}
