/**
 * faultline bench tree: the radix tree against the same algorithm in C++, and against a JavaScript Map.
 *
 *   insert        a new entry; nodes are made on the way
 *   lookup        an entry that is there
 *   tag           the DIRTY mark of every eighth entry, up to the root
 *   next-tagged   all tagged entries in ascending order, each found from the one before
 *
 * The C++ twin (native/bench/c_tree.h) has the same nodes in the same words. A Map keeps no order: for next-tagged it
 * keeps a Set of what was tagged, and sorts that first.
 */
import type { Bench } from '../bench.js'
import { TREE_CHART } from './chart.js'

const LIMIT = 2.5

export const treeBench: Bench = {
  name: 'tree',
  summary: 'the radix tree against C++ and Map',
  description:
    'Operations of the radix tree against the same algorithm in C++ and a JavaScript Map, pages in order or ' +
    'scattered. Pinned to one CPU.',
  parameters: [
    {
      name: 'op',
      help: 'operation',
      default: 'lookup,insert,tag,next-tagged',
      words: ['lookup', 'insert', 'tag', 'next-tagged'],
    },
    { name: 'order', help: 'of the pages', default: 'seq,random', words: ['seq', 'random'] },
    { name: 'entries', help: 'log2 of the entries in the tree', default: '16', min: 6, max: 22 },
    { name: 'side', help: 'who does it', default: 'faultline,c,map', words: ['faultline', 'c', 'map'] },
  ],
  figures: [{ key: 'perOperation', label: 'an operation', unit: 'ns', digits: 1 }],
  compares: 'side',
  reference: {
    value: 'c',
    figure: 'perOperation',
    limit: ({ side }) => (side === 'faultline' ? LIMIT : undefined),
  },
  chart: () => TREE_CHART,
  isPinned: () => true,
  async measure(setting) {
    const { measureTree } = await import('./measure.js')
    return measureTree(setting)
  },
}
