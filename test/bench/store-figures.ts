/**
 * What tracing costs a store: the same stores to two pools of one process, traced and not, by turns.
 *
 * Other tools state their overhead for a store that is made durable (store, flush, fence), so that is measured too.
 */
import { join } from 'node:path'
import { type DaxMapping, type Pmem, mount } from '../../lib/index.js'
import type { FigureRequest, FigureRun } from './figures.js'
import { median } from '../../lib/bench/statistics.js'

const SIZE = 1 << 20
/** Stores in a turn: of what takes nanoseconds, and of what takes microseconds. */
const PLAIN_STORES = 20_000
const STORES = 400
const PIECE = 4096
const LINE = 64

interface Side {
  readonly pmem: Pmem
  readonly mapping: DaxMapping
  readonly words: Float64Array
  readonly integers: Int32Array
  readonly bytes: Uint8Array
}

export function measureStores({ pool, turns }: FigureRequest): FigureRun {
  using plain = mount(join(pool, 'plain'))
  using traced = mount(join(pool, 'traced'), { stores: 'traced' })
  let records = 0
  const recorder = traced.recordStores({
    store: () => records++,
    flush: () => records++,
    fence: () => records++,
    mark: () => records++,
    acknowledged: () => records++,
  })
  const [left, right] = [sideOf(plain), sideOf(traced)]
  const taken: Record<string, number[]> = {}
  const note = (key: string, value: number): void => void (taken[key] ??= []).push(value)
  for (let turn = 0; turn < turns; turn++) {
    note('plainNanoseconds', 1000 * time(PLAIN_STORES, () => storeWords(left, PLAIN_STORES)))
    note(
      'tracedMicroseconds',
      time(STORES, () => storeWords(right, STORES)),
    )
    note(
      'atomicMicroseconds',
      time(STORES, () => addAll(right, STORES)),
    )
    note(
      'lineMicroseconds',
      time(PIECE / LINE, () => right.bytes.fill(turn, 0, PIECE)),
    )
    note(
      'plainPersistMicroseconds',
      time(STORES, () => persistAll(left, STORES)),
    )
    note(
      'tracedPersistMicroseconds',
      time(STORES, () => persistAll(right, STORES)),
    )
    const before = records
    const start = performance.now()
    recorder.drain()
    note('drainMicroseconds', ((performance.now() - start) * 1000) / (records - before))
  }
  const run = Object.fromEntries(Object.entries(taken).map(([key, values]) => [key, median(values)]))
  const of = (key: string): number => run[key] ?? NaN
  return {
    ...run,
    ratio: (of('tracedMicroseconds') * 1000) / of('plainNanoseconds'),
    persistRatio: of('tracedPersistMicroseconds') / of('plainPersistMicroseconds'),
  }
}

/** A mapping with every page there and writable. */
function sideOf(pmem: Pmem): Side {
  const mapping = pmem.open('stores.pm', { create: true, size: SIZE }).mmap()
  const { buffer } = mapping
  const bytes = new Uint8Array(buffer)
  for (let at = 0; at < SIZE; at += PIECE) bytes[at] = 1
  mapping.persist()
  return { pmem, mapping, words: new Float64Array(buffer), integers: new Int32Array(buffer), bytes }
}

/** Return: microseconds for each of `count`. */
function time(count: number, work: () => void): number {
  const start = performance.now()
  work()
  return ((performance.now() - start) * 1000) / count
}

function storeWords({ words }: Side, count: number): void {
  for (let i = 0; i < count; i++) words[(i * 9) & 0xffff] = i
}

function addAll({ integers }: Side, count: number): void {
  for (let i = 0; i < count; i++) Atomics.add(integers, i, 1)
}

function persistAll({ words, mapping, pmem }: Side, count: number): void {
  for (let i = 0; i < count; i++) {
    words[i * 8] = i + Math.random()
    mapping.flush(i * 64, 8)
    pmem.fence()
  }
}
