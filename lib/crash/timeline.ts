/**
 * The run, replayed operation by operation, with a stop at every moment that matters.
 *
 * What a crash can leave grows with each store and shrinks only when a fence (or a sync) makes something durable. So of
 * all moments between two such fences the last one has every image the others have, and it is enough to look there:
 * before each fence that makes something durable, and at the end. What a checker expects changes too, with
 * acknowledgements and with the operation in progress; there is a stop before each such change. Under eADR each store
 * is durable at once, so there is a stop after each.
 *
 *   moment    one stop: lines with choices, what was acknowledged, which operation runs
 *   epoch     moments with one and the same expectation; images of an older epoch must be checked again
 */
import { Page } from '../constants.js'
import { ChangedLine, atomsOf } from './changed-line.js'
import { LINE_WORDS } from './line-hash.js'
import { OpKind, type StoreLog } from './store-log.js'

/** What survives a power failure without being flushed: nothing (ADR), or what is in caches (eADR). */
export type Domain = 'adr' | 'eadr'

/** The content of lines before the first store of the log. */
export interface BaseImage {
  /** Copy a line of 64 bytes into 16 words; past the end of the file: zeroes. */
  readLine(file: number, offset: number, into: Int32Array): void
}

export interface Moment {
  /** Counted from 1. */
  readonly number: number
  /** Operations before it have happened, this one has not. */
  readonly op: number
  readonly epoch: number
  /** No state is one of the moment before: its expectation was another, or a line without choices has changed. */
  readonly isAllNew: boolean
  /** Lines with choices, each settled. Valid during the stop. */
  readonly lines: readonly ChangedLine[]
  /** Lines that had choices and have none any more: they are what their floor says. */
  readonly settled: readonly ChangedLine[]
  readonly acknowledged: ReadonlySet<string>
  /** The operation in progress, or undefined; operations that have ended. */
  readonly operation: string | undefined
  readonly completed: number
}

export class Timeline {
  readonly #log: StoreLog
  readonly #base: BaseImage
  readonly #domain: Domain
  readonly #lines: ChangedLine[] = []
  readonly #byPlace = new Map<number, ChangedLine>()
  #pending: ChangedLine[] = []
  /** Lines each thread has flushed since its last fence. */
  readonly #flushed = new Map<number, Set<ChangedLine>>()
  readonly #nonTemporal = new Map<number, Set<ChangedLine>>()
  #op = 0
  #moments = 0
  #epoch = 1
  #epochOfLastMoment = 0
  #changed = true
  #acknowledged = new Set<string>()
  #operation: string | undefined
  #completed = 0
  readonly #startWords = new Int32Array(LINE_WORDS)

  constructor(log: StoreLog, base: BaseImage, domain: Domain) {
    this.#log = log
    this.#base = base
    this.#domain = domain
  }

  /** Every line stored to so far. */
  get lines(): readonly ChangedLine[] {
    return this.#lines
  }

  /** Go at most so many operations towards the next moment. Return: is it reached? */
  approach(most: number): boolean {
    for (let left = most; !this.#isAtMoment(); left--) {
      if (left === 0) return false
      this.#apply(this.#op++)
    }
    return true
  }

  /** Return: the next moment, or undefined after the one at the end. */
  next(): Moment | undefined {
    this.approach(Infinity)
    return this.#changed ? this.#moment() : undefined
  }

  #isAtMoment(): boolean {
    return this.#op === this.#log.count || (this.#changed && this.#stopsBefore(this.#op))
  }

  #moment(): Moment {
    this.#changed = false
    const settled = this.#pending.filter((line) => !(line.isPending = line.pending.length > 0))
    if (settled.length > 0) this.#pending = this.#pending.filter((line) => line.isPending)
    for (const line of this.#pending) line.settle()
    // Under ADR what a line settles at was one of its choices. Under eADR it never had any.
    const isAllNew = this.#epoch !== this.#epochOfLastMoment || (this.#domain === 'eadr' && settled.length > 0)
    this.#epochOfLastMoment = this.#epoch
    return {
      number: ++this.#moments,
      op: this.#op,
      epoch: this.#epoch,
      isAllNew,
      lines: this.#pending,
      settled,
      acknowledged: this.#acknowledged,
      operation: this.#operation,
      completed: this.#completed,
    }
  }

  #stopsBefore(op: number): boolean {
    const kind = this.#log.kind(op)
    if (kind === OpKind.Fence) return this.#fenceMatters(this.#log.thread(op))
    if (kind === OpKind.Sync) return true
    if (kind >= OpKind.Acknowledge) return true
    return this.#domain === 'eadr' && kind <= OpKind.StoreNonTemporal
  }

  #fenceMatters(thread: number): boolean {
    for (const line of this.#flushed.get(thread) ?? []) if (line.fenceMatters(thread)) return true
    return (this.#nonTemporal.get(thread)?.size ?? 0) > 0
  }

  #apply(op: number): void {
    const log = this.#log
    const kind = log.kind(op)
    if (kind <= OpKind.StoreNonTemporal) this.#store(op)
    else if (kind === OpKind.Flush) this.#flush(op)
    else if (kind === OpKind.Fence) this.#fence(op)
    else if (kind === OpKind.Sync) this.#sync(op)
    else if (kind !== OpKind.Mark) this.#expect(kind, log.word(op))
  }

  #store(op: number): void {
    const log = this.#log
    const offset = log.offset(op)
    const line = this.#lineAt(log.file(op), Math.floor(offset / Page.LineSize))
    const nonTemporal = log.kind(op) === OpKind.StoreNonTemporal
    if (!line.isPending) {
      line.isPending = true
      // Until now it could be one thing only, and it could at the last moment.
      line.seenAt[line.floor] = this.#moments
      this.#pending.push(line)
    }
    const isCertain = this.#domain === 'eadr' && !nonTemporal
    const atoms = atomsOf(op, offset % Page.LineSize, log.length(op), (i) => log.byte(op, i), nonTemporal)
    for (const atom of atoms) {
      atom.certain = isCertain
      line.add(atom)
    }
    if (isCertain) line.makeCertain(() => false)
    if (nonTemporal) setOf(this.#nonTemporal, log.thread(op)).add(line)
    this.#changed = true
  }

  #flush(op: number): void {
    const thread = this.#log.thread(op)
    for (const line of this.#linesIn(op, Page.LineSize)) {
      if (line.flush(thread)) setOf(this.#flushed, thread).add(line)
    }
  }

  #fence(op: number): void {
    const log = this.#log
    const thread = log.thread(op)
    for (const line of this.#flushed.get(thread) ?? []) line.fence(thread)
    for (const line of this.#nonTemporal.get(thread) ?? []) {
      line.makeCertain((atom) => atom.nonTemporal && log.thread(atom.op) === thread)
    }
    this.#flushed.delete(thread)
    this.#nonTemporal.delete(thread)
  }

  /** Whole pages, every store to them by any thread; other pages keep what is on its way there. */
  #sync(op: number): void {
    for (const line of this.#linesIn(op, Page.Size)) line.makeCertain(() => true)
  }

  #expect(kind: number, word: string): void {
    this.#epoch++
    this.#changed = true
    if (kind === OpKind.Acknowledge) this.#acknowledged = new Set(this.#acknowledged).add(word)
    else if (kind === OpKind.Begin) this.#operation = word
    else {
      this.#operation = undefined
      this.#completed++
    }
  }

  /** Lines stored to that lie in the range of an operation, rounded out to `unit` bytes. */
  #linesIn(op: number, unit: number): ChangedLine[] {
    const log = this.#log
    const from = Math.floor(log.offset(op) / unit) * unit
    const end = Math.ceil((log.offset(op) + log.length(op)) / unit) * unit
    if (end - from > this.#pending.length * Page.LineSize) {
      const file = log.file(op)
      return this.#pending.filter((line) => line.file === file && line.offset >= from && line.offset < end)
    }
    const lines: ChangedLine[] = []
    for (let offset = from; offset < end; offset += Page.LineSize) {
      const line = this.#byPlace.get(placeOf(log.file(op), offset / Page.LineSize))
      if (line !== undefined) lines.push(line)
    }
    return lines
  }

  #lineAt(file: number, number: number): ChangedLine {
    const place = placeOf(file, number)
    let line = this.#byPlace.get(place)
    if (line === undefined) {
      this.#base.readLine(file, number * Page.LineSize, this.#startWords)
      line = new ChangedLine(this.#lines.length, file, number, this.#startWords)
      this.#lines.push(line)
      this.#byPlace.set(place, line)
    }
    return line
  }
}

/** One number for a line of a file: files have fewer than 2^40 lines (64 TiB), mounts fewer than 2^13 files. */
function placeOf(file: number, line: number): number {
  return file * 2 ** 40 + line
}

function setOf<Key, Item>(sets: Map<Key, Set<Item>>, key: Key): Set<Item> {
  let set = sets.get(key)
  if (set === undefined) sets.set(key, (set = new Set()))
  return set
}
