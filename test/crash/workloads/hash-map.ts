/**
 * A hash map whose every change is one store of 8 bytes: a bitmap says which slots count. A new value of a key goes to
 * a free slot, and one store takes the old bit away and sets the new one.
 *
 *   0    bitmap of slots in use (8 bytes)
 *   64   slots of a line: key, value
 */
import type { CrashTest, Region } from '../../../lib/index.js'

const SLOTS = 6
const LINE = 64

export interface HashMapSteps {
  flushEntry: boolean
  fenceEntry: boolean
  flushCommit: boolean
  fenceCommit: boolean
  /** Replace a value by one store of the bitmap; false: clear the old bit, then set the new one. */
  commitAtOnce: boolean
}

const CORRECT: HashMapSteps = {
  flushEntry: true,
  fenceEntry: true,
  flushCommit: true,
  fenceCommit: true,
  commitAtOnce: true,
}

const PUTS: readonly (readonly [key: number, value: number])[] = [
  [11, 1],
  [22, 2],
  [11, 3],
  [33, 4],
  [22, 5],
]

function findSlot(pool: Region, matches: (slot: number, used: boolean) => boolean): number {
  const bitmap = pool.load64(0)
  for (let slot = 0; slot < SLOTS; slot++) if (matches(slot, ((bitmap >> BigInt(slot)) & 1n) === 1n)) return slot
  return -1
}

function commit(pool: Region, bitmap: bigint, steps: HashMapSteps): void {
  pool.mark('commit')
  pool.store64(0, bitmap)
  pool.mark('persist commit')
  if (steps.flushCommit) pool.flush(0, 8)
  if (steps.fenceCommit) pool.fence()
}

function put(pool: Region, key: number, value: number, steps: HashMapSteps): void {
  const old = findSlot(pool, (slot, used) => used && pool.load64(LINE + slot * LINE) === BigInt(key))
  const free = findSlot(pool, (_, used) => !used)
  const at = LINE + free * LINE
  pool.mark('write entry')
  pool.store64(at, key)
  pool.store64(at + 8, value)
  pool.mark('persist entry')
  if (steps.flushEntry) pool.flush(at, LINE)
  if (steps.fenceEntry) pool.fence()
  const without = old < 0 ? pool.load64(0) : pool.load64(0) & ~(1n << BigInt(old))
  if (!steps.commitAtOnce && old >= 0) commit(pool, without, steps)
  commit(pool, without | (1n << BigInt(free)), steps)
}

function hashMap(name: string, changes: Partial<HashMapSteps> = {}): CrashTest<Region, Map<number, number>> {
  const steps = { ...CORRECT, ...changes }
  return {
    name: `hash map, ${name}`,
    size: LINE * (SLOTS + 1),
    workload(pool) {
      for (const [key, value] of PUTS) pool.operation(`put ${key} = ${value}`, () => put(pool, key, value, steps))
    },
    recover(pool) {
      const entries: [number, number][] = []
      for (let slot = 0; slot < SLOTS; slot++) {
        if (((pool.load64(0) >> BigInt(slot)) & 1n) === 0n) continue
        const at = LINE + slot * LINE
        entries.push([Number(pool.load64(at)), Number(pool.load64(at + 8))])
      }
      return new Map(entries.sort(([a], [b]) => a - b))
    },
    check(map) {
      for (const [key, value] of map) {
        if (!PUTS.some((pair) => pair[0] === key && pair[1] === value)) return `nobody put ${key} = ${value}`
      }
      return true
    },
  }
}

export const correct = hashMap('correct')
export const entryNotFlushed = hashMap('entry not flushed', { flushEntry: false })
export const entryNotFenced = hashMap('entry not fenced', { fenceEntry: false })
export const commitNotFlushed = hashMap('commit not flushed', { flushCommit: false })
export const commitNotFenced = hashMap('commit not fenced', { fenceCommit: false })
export const replacedInTwoSteps = hashMap('replaced in two steps', { commitAtOnce: false })
