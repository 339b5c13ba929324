/**
 * Mistakes that show in the log alone, without a crash, in the sense of pmemcheck. They are counted by what and where,
 * since a mistake in a loop is one mistake.
 *
 *   error   data is at risk for ever: nothing in the run makes it durable
 *   waste   work without effect
 *   note    legal, and often a mistake
 */
import { Page } from '../constants.js'
import { pageFindings } from './page-findings.js'
import { OpKind, type StoreLog } from './store-log.js'
import type { Domain } from './timeline.js'

export type FindingKind =
  | 'unflushed at close'
  | 'flushed, never fenced'
  | 'flush of a clean line'
  | 'double flush'
  | 'fence with nothing pending'
  | 'store after flush before fence'
  | 'overwritten before flushed'
  | 'wrong page synced'
  | 'range rounded down'
  | 'flag and data on different pages in one sync'
  | 'commit flag in the same page as data'
  | 'relies on close or munmap'

export interface Finding {
  readonly kind: FindingKind
  readonly severity: 'error' | 'waste' | 'note'
  /** Of the first of them: number in the log, place, what the program said it did. */
  readonly op: number
  readonly file: number
  readonly offset: number
  readonly label: string
  readonly location: string
  readonly count: number
}

const SEVERITY: Readonly<Record<FindingKind, Finding['severity']>> = {
  'unflushed at close': 'error',
  'flushed, never fenced': 'error',
  'flush of a clean line': 'waste',
  'double flush': 'waste',
  'fence with nothing pending': 'waste',
  'store after flush before fence': 'note',
  'overwritten before flushed': 'note',
  'wrong page synced': 'error',
  'range rounded down': 'error',
  'flag and data on different pages in one sync': 'note',
  'commit flag in the same page as data': 'note',
  'relies on close or munmap': 'error',
}

/** The same mistake at the same place is one finding with a count. */
export class FindingList {
  readonly #log: StoreLog
  readonly #found = new Map<string, Finding & { count: number }>()

  constructor(log: StoreLog) {
    this.#log = log
  }

  add(kind: FindingKind, op: number, file = this.#log.file(op), offset = this.#log.offset(op)): void {
    const log = this.#log
    const label = log.label(op)
    const location = log.where(op)
    // Without a label and a location the place in the file tells mistakes apart.
    const place = label === '' && location === '' ? `${file}:${offset}` : `${label}\n${location}`
    const key = `${kind}\n${place}`
    const known = this.#found.get(key)
    if (known === undefined) {
      this.#found.set(key, { kind, severity: SEVERITY[kind], op, file, offset, label, location, count: 1 })
    } else known.count++
  }

  /** Errors first, each kind in the order of the program. */
  list(): Finding[] {
    const order = ['error', 'waste', 'note']
    return [...this.#found.values()].sort(
      (a, b) => order.indexOf(a.severity) - order.indexOf(b.severity) || a.op - b.op,
    )
  }
}

interface LineState {
  readonly file: number
  readonly offset: number
  /** Bytes stored since the line was last flushed: bit by byte, and the operations. */
  dirty: bigint
  /** What was stored last. */
  readonly bytes: Uint8Array
  stores: number[]
  /** Operation of the flush that waits for a fence, by thread. */
  flushed: Map<number, number>
  /** Stores that a flush covers and no fence yet. */
  covered: number
}

/** Return: what the log shows. With eADR only the operations without effect. */
export function findMistakes(log: StoreLog, domain: Domain): Finding[] {
  const list = new FindingList(log)
  new LineMistakes(log, list).run(domain)
  pageFindings(log, list)
  return list.list()
}

class LineMistakes {
  readonly #log: StoreLog
  readonly #list: FindingList
  readonly #lines = new Map<string, LineState>()
  readonly #pendingOf = new Map<number, Set<LineState>>()
  readonly #nonTemporal = new Map<number, number[]>()
  #syncs = 0
  #flushes = 0

  constructor(log: StoreLog, list: FindingList) {
    this.#log = log
    this.#list = list
  }

  run(domain: Domain): void {
    const log = this.#log
    for (let op = 0; op < log.count; op++) {
      const kind = log.kind(op)
      if (kind === OpKind.Store) this.#store(op, domain)
      else if (kind === OpKind.StoreNonTemporal) listOf(this.#nonTemporal, log.thread(op)).push(op)
      else if (log.isSync(op)) this.#sync(op)
      else if (log.thread(op) < 0) this.#nonTemporal.delete(log.thread(op))
      else if (kind === OpKind.Flush) this.#flush(op)
      else if (kind === OpKind.Fence) this.#fence(op)
    }
    this.#close(domain)
  }

  #store(op: number, domain: Domain): void {
    const log = this.#log
    const line = this.#lineAt(log.file(op), log.offset(op), true) as LineState
    const mask = ((1n << BigInt(log.length(op))) - 1n) << BigInt(log.offset(op) % Page.LineSize)
    if (domain === 'adr') {
      if (line.flushed.size > 0) this.#list.add('store after flush before fence', op)
      if ((line.dirty & mask) === mask && !this.#isSame(line, op)) this.#list.add('overwritten before flushed', op)
    }
    line.dirty |= mask
    line.bytes.set(log.bytes(op), log.offset(op) % Page.LineSize)
    line.stores.push(op)
  }

  /** Copies of 16 bytes and the like store some bytes twice. */
  #isSame(line: LineState, op: number): boolean {
    const at = this.#log.offset(op) % Page.LineSize
    return this.#log.bytes(op).every((byte, i) => byte === line.bytes[at + i])
  }

  #flush(op: number): void {
    const log = this.#log
    const thread = log.thread(op)
    this.#flushes++
    const first = Math.floor(log.offset(op) / Page.LineSize)
    const last = Math.floor((log.offset(op) + Math.max(log.length(op), 1) - 1) / Page.LineSize)
    for (let number = first; number <= last; number++) {
      const offset = number * Page.LineSize
      const line = this.#lineAt(log.file(op), offset, false)
      if (line === undefined || (line.stores.length === 0 && line.covered === 0)) {
        this.#list.add('flush of a clean line', op, log.file(op), offset)
        continue
      }
      if (line.stores.length === 0) this.#list.add('double flush', op, log.file(op), offset)
      line.covered += line.stores.length
      line.stores = []
      line.dirty = 0n
      line.flushed.set(thread, op)
      setOf(this.#pendingOf, thread).add(line)
    }
  }

  #fence(op: number): void {
    const thread = this.#log.thread(op)
    const lines = this.#pendingOf.get(thread)
    if ((lines?.size ?? 0) === 0 && listOf(this.#nonTemporal, thread).length === 0) {
      this.#list.add('fence with nothing pending', op)
    }
    for (const line of lines ?? []) {
      line.flushed.delete(thread)
      if (line.flushed.size === 0) line.covered = 0
    }
    this.#pendingOf.delete(thread)
    this.#nonTemporal.delete(thread)
  }

  #sync(op: number): void {
    const log = this.#log
    this.#syncs++
    const from = Math.floor(log.offset(op) / Page.Size) * Page.Size
    const end = log.offset(op) + log.length(op)
    for (const line of this.#lines.values()) {
      if (line.file !== log.file(op) || line.offset < from || line.offset >= Math.ceil(end / Page.Size) * Page.Size) {
        continue
      }
      line.stores = []
      line.dirty = 0n
      line.covered = 0
      line.flushed.clear()
    }
  }

  #close(domain: Domain): void {
    for (const ops of this.#nonTemporal.values()) for (const op of ops) this.#list.add('flushed, never fenced', op)
    if (domain === 'eadr') return
    // A program that only ever syncs pages is told of pages.
    const kind = this.#syncs > 0 && this.#flushes === 0 ? 'relies on close or munmap' : 'unflushed at close'
    for (const line of this.#lines.values()) {
      for (const op of line.stores) this.#list.add(kind, op)
      for (const op of line.flushed.values()) this.#list.add('flushed, never fenced', op, line.file, line.offset)
    }
  }

  #lineAt(file: number, offset: number, make: boolean): LineState | undefined {
    const start = offset - (offset % Page.LineSize)
    const key = `${file}:${start}`
    let line = this.#lines.get(key)
    if (line === undefined && make) {
      line = {
        file,
        offset: start,
        dirty: 0n,
        bytes: new Uint8Array(Page.LineSize),
        stores: [],
        flushed: new Map(),
        covered: 0,
      }
      this.#lines.set(key, line)
    }
    return line
  }
}

function listOf<Key, Item>(lists: Map<Key, Item[]>, key: Key): Item[] {
  let list = lists.get(key)
  if (list === undefined) lists.set(key, (list = []))
  return list
}

function setOf<Key, Item>(sets: Map<Key, Set<Item>>, key: Key): Set<Item> {
  let set = sets.get(key)
  if (set === undefined) sets.set(key, (set = new Set()))
  return set
}
