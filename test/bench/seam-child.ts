/** One measurement of `npm run bench:seam`, in a process of its own: prints { nanoseconds, hash }. */
import { writeSync } from 'node:fs'
import { Prng } from '../../lib/prng.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'
import { Cursor } from '../../lib/tree/cursor.js'
import { dataEntry } from '../../lib/tree/entry.js'
import { NodePool } from '../../lib/tree/node-pool.js'
import { RadixTree } from '../../lib/tree/radix-tree.js'
import { Mark } from '../../lib/tree/root.js'
import { measureFaults } from './fault-child.js'
import type { ChildRequest, FaultCase } from './protocol.js'

export interface SeamRun {
  /** For each fault, or for each tree operation. */
  readonly nanoseconds: number
  readonly hash: number
}

const ROOT = 16
const POOL = 64
const NODES = 4096
const BITS = 6
const PAGES = 1 << 16

/** Store, load, mark, look for the mark, clear it: what a fault and a sync ask of the tree, at random pages. */
function measureTree({ warm, pages, seed }: ChildRequest): SeamRun {
  const words = new AtomicWords(new SharedArrayBuffer((POOL + NodePool.wordsFor(NODES, BITS)) * 4))
  const pool = new NodePool(words, POOL, NODES, BITS)
  pool.initialise()
  const tree = new RadixTree(pool)
  const cursor = new Cursor()
  const random = new Prng(seed)
  let hash = 0
  const turn = (): void => {
    const page = random.below(PAGES)
    tree.store(ROOT, page, 0, dataEntry(page + 1, false))
    tree.setMark(ROOT, page, Mark.Dirty)
    if (tree.nextMarked(ROOT, page, page, Mark.Dirty, cursor)) hash = Math.imul(hash ^ cursor.index, 0x01000193)
    hash = Math.imul(hash ^ tree.load(ROOT, page), 0x01000193)
    tree.clearMark(ROOT, page, Mark.Dirty)
  }
  for (let i = 0; i < warm; i++) turn()
  const start = performance.now()
  for (let i = 0; i < pages; i++) turn()
  return { nanoseconds: ((performance.now() - start) * 1e6) / pages / 5, hash: hash >>> 0 }
}

const { kind, request } = JSON.parse(process.argv[2] ?? '') as { kind: 'tree' | FaultCase; request: ChildRequest }
let run: SeamRun
if (kind === 'tree') run = measureTree(request)
else {
  const { nsPerFault, hash } = measureFaults(kind, { ...request, name: kind })
  run = { nanoseconds: nsPerFault, hash }
}
writeSync(1, `${JSON.stringify(run)}\n`)
// What is stored must not reach media: the next measurement begins with the same pool.
process.exit(0)
