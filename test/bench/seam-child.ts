/** One measurement of `npm run bench:seam`, in a process of its own: prints { nanoseconds, hash }. */
import { writeSync } from 'node:fs'
import { Prng } from '../../lib/prng.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'
import { Cursor } from '../../lib/tree/cursor.js'
import { dataEntry } from '../../lib/tree/entry.js'
import { NodePool } from '../../lib/tree/node-pool.js'
import { RadixTree } from '../../lib/tree/radix-tree.js'
import { Mark } from '../../lib/tree/root.js'
import { measureFaults } from '../../lib/bench/faults/measure.js'

export interface SeamRequest {
  /** A kind of fault of `faultline bench faults`, or operations of the tree. */
  readonly kind: 'read' | 'write' | 'minor' | 'tree'
  readonly warm: number
  readonly pages: number
  readonly seed: number
  /** Empty, for a pool. */
  readonly directory: string
}

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
function measureTree({ warm, pages, seed }: SeamRequest): SeamRun {
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

async function measureFault({ kind, warm, pages, seed, directory }: SeamRequest): Promise<SeamRun> {
  const sizes = { threads: 1, size: '4K', around: 1, pattern: 'seq', timed: 0, idle: 0, warm, pages }
  const setting = { op: kind, side: 'faultline', cpus: 'one', tracking: 'sync', ...sizes }
  const { figures, hash } = await measureFaults(setting, { directory, seed })
  return { nanoseconds: (figures['perPage'] as number) * 1000, hash }
}

const request = JSON.parse(process.argv[2] ?? '') as SeamRequest
const run = request.kind === 'tree' ? measureTree(request) : await measureFault(request)
writeSync(1, `${JSON.stringify(run)}\n`)
