/**
 * One measurement of `faultline bench tree`; native/bench/c_tree.cc does the same. The quickest repetition counts: the
 * work is the same in all of them, what is slower was disturbed.
 */
import { AtomicWords } from '../../sync/shared-words.js'
import { Cursor } from '../../tree/cursor.js'
import { dataEntry } from '../../tree/entry.js'
import { NodePool } from '../../tree/node-pool.js'
import { RadixTree } from '../../tree/radix-tree.js'
import { Mark } from '../../tree/root.js'
import type { Measurement } from '../bench.js'
import { fold } from '../fold.js'
import { runNative } from '../native-program.js'
import type { Setting } from '../sweep.js'

const ROOT = 16
const POOL = 64
const BITS = 6
const SCATTER = 0x9e3779b1
const TAGGED_EVERY = 8
/** Entries of all repetitions together, roughly. */
const WORK = 1 << 20
const REPEAT_MIN = 5
const REPEAT_MAX = 4096
/** Repetitions that are not counted: the code is compiled by then. */
const WARM_SHARE = 4

/** What is measured of a table of pages, whoever keeps it. */
interface Table {
  clear(): void
  insert(page: number): void
  lookup(page: number): number
  tag(page: number): void
  /** Return: the hash with all tagged pages folded in, in ascending order. */
  foldTagged(hash: number): number
}

export async function measureTree(setting: Setting): Promise<Measurement> {
  const { op, order, side } = setting
  const entries = 2 ** (setting['entries'] as number)
  const repeat = Math.max(REPEAT_MIN, Math.min(REPEAT_MAX, WORK / entries))
  if (side === 'c') {
    const run = (await runNative('c_tree', { op: String(op), order: String(order), entries, repeat })) as {
      nanoseconds: number
      hash: number
    }
    return { figures: { perOperation: run.nanoseconds }, hash: run.hash }
  }
  const table = side === 'map' ? mapTable() : treeTable(entries)
  const taken: number[] = []
  let hash = 0
  const warm = Math.ceil(repeat / WARM_SHARE)
  for (let turn = 0; turn < warm + repeat; turn++) {
    const { times, hash: found } = turnOf(table, entries, order === 'random')
    hash = found
    if (turn >= warm) taken.push(times[op as keyof Times])
  }
  return { figures: { perOperation: Math.min(...taken) / entries }, hash: hash >>> 0 }
}

interface Times {
  readonly insert: number
  readonly lookup: number
  readonly tag: number
  readonly 'next-tagged': number
}

function turnOf(table: Table, entries: number, random: boolean): { times: Times; hash: number } {
  const mask = entries - 1
  const factor = random ? SCATTER : 1
  let hash = 0
  table.clear()
  let start = performance.now()
  for (let i = 0; i < entries; i++) table.insert(Math.imul(i, factor) & mask)
  const insert = since(start)
  start = performance.now()
  for (let i = 0; i < entries; i++) hash = fold(hash, table.lookup(Math.imul(i, factor) & mask))
  const lookup = since(start)
  start = performance.now()
  for (let i = 0; i < entries; i += TAGGED_EVERY) table.tag(Math.imul(i, factor) & mask)
  const tag = since(start) * TAGGED_EVERY
  start = performance.now()
  hash = table.foldTagged(hash)
  return { times: { insert, lookup, tag, 'next-tagged': since(start) * TAGGED_EVERY }, hash }
}

/** Nanoseconds. */
function since(start: number): number {
  return (performance.now() - start) * 1e6
}

function treeTable(entries: number): Table {
  const nodes = entries / 32 + 16
  const words = new AtomicWords(new SharedArrayBuffer((POOL + NodePool.wordsFor(nodes, BITS)) * 4))
  const pool = new NodePool(words, POOL, nodes, BITS)
  const tree = new RadixTree(pool)
  const cursor = new Cursor()
  return {
    clear() {
      pool.initialise()
      tree.initialise(ROOT)
    },
    insert: (page) => void tree.store(ROOT, page, 0, dataEntry(page + 1, false)),
    lookup: (page) => tree.load(ROOT, page),
    tag(page) {
      tree.setMark(ROOT, page, Mark.Dirty)
    },
    foldTagged(before) {
      let hash = before
      for (let from = 0; tree.nextMarked(ROOT, from, entries - 1, Mark.Dirty, cursor); from = cursor.after()) {
        hash = fold(hash, cursor.index)
      }
      return hash
    },
  }
}

function mapTable(): Table {
  const map = new Map<number, number>()
  const tagged = new Set<number>()
  return {
    clear() {
      map.clear()
      tagged.clear()
    },
    insert: (page) => void map.set(page, dataEntry(page + 1, false)),
    lookup: (page) => map.get(page) ?? 0,
    tag: (page) => void tagged.add(page),
    foldTagged(before) {
      let hash = before
      for (const page of Uint32Array.from(tagged).sort()) hash = fold(hash, page)
      return hash
    },
  }
}
