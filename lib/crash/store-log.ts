/**
 * A log of everything a power failure depends on, in the order it happened.
 *
 * One operation is one row of parallel typed arrays, 41 bytes and the bytes it stored, so that a run of a million
 * stores is tens of megabytes and walking it touches memory in order. Strings (marks, acknowledgements, locations) are
 * kept once each and referred to by number.
 *
 * Besides what a StoreSink says, a log knows `sync`, which is msync and its kin: what was stored to the range is
 * durable when it is over, and it is written down as a call because mistakes with pages are not mistakes with lines;
 * and `begin` and `end` of an operation of the program, for oracles that compare before and after.
 *
 * What is said is checked: TypeError, RangeError for numbers and words that are none.
 *
 * A program that runs into its time limit may be ended in the middle of telling: an operation counts when it is whole.
 *
 * A traced mount tells a sync as a flush and a fence of a thread with a negative number, that of the file.
 */
import { requireInteger, requireRange, wrongType } from '../args.js'
import { Page } from '../constants.js'
import type { LocationId, StoreSink } from '../persist/store-sink.js'

export const enum OpKind {
  Store = 0,
  StoreNonTemporal = 1,
  Flush = 2,
  Fence = 3,
  Sync = 4,
  Mark = 5,
  Acknowledge = 6,
  Begin = 7,
  End = 8,
}

export const OP_NAMES = ['store', 'store NT', 'flush', 'fence', 'sync', 'mark', 'acknowledged', 'begin', 'end'] as const

const FIRST_CAPACITY = 32

export class StoreLog implements StoreSink {
  #count = 0
  #kinds = new Uint8Array(FIRST_CAPACITY)
  #threads = new Int32Array(FIRST_CAPACITY)
  #files = new Int32Array(FIRST_CAPACITY)
  #offsets = new Float64Array(FIRST_CAPACITY)
  #lengths = new Float64Array(FIRST_CAPACITY)
  /** Of a store: where its bytes begin; of words: their number. */
  #data = new Int32Array(FIRST_CAPACITY)
  #labels = new Int32Array(FIRST_CAPACITY)
  #locations = new Int32Array(FIRST_CAPACITY)
  #bytes = new Uint8Array(FIRST_CAPACITY * 8)
  #bytesUsed = 0
  readonly #words: string[] = ['']
  readonly #wordIds = new Map<string, number>([['', 0]])
  /** What each thread last said it does. */
  readonly #threadLabels = new Map<number, number>()
  #lastLabel = 0

  /** Operations so far; they are numbered from 0. */
  get count(): number {
    return this.#count
  }

  /** Bytes of memory in use. */
  get byteSize(): number {
    return this.#kinds.length * 41 + this.#bytes.length
  }

  store(
    thread: number,
    file: number,
    offset: number,
    bytes: Uint8Array,
    nonTemporal: boolean,
    location: LocationId = 0,
  ): void {
    if (!(bytes instanceof Uint8Array)) throw wrongType('bytes', 'a Uint8Array', bytes)
    const kind = nonTemporal ? OpKind.StoreNonTemporal : OpKind.Store
    requireRange('offset', offset, 0, Number.MAX_SAFE_INTEGER - bytes.length)
    // What crosses a line is several stores: lines fail apart.
    for (let from = 0; from < bytes.length;) {
      const length = Math.min(bytes.length - from, Page.LineSize - ((offset + from) % Page.LineSize))
      this.#keepBytes(length)
      const at = this.#bytesUsed
      for (let i = 0; i < length; i++) this.#bytes[at + i] = bytes[from + i] as number
      this.#add(kind, thread, file, offset + from, length, at, location)
      this.#bytesUsed += length
      from += length
    }
  }

  flush(thread: number, file: number, offset: number, length: number, location: LocationId = 0): void {
    this.#add(OpKind.Flush, thread, file, offset, length, 0, location)
  }

  fence(thread: number, location: LocationId = 0): void {
    this.#add(OpKind.Fence, thread, 0, 0, 0, 0, location)
  }

  /**
   * msync, fsync: the pages of the range are durable afterwards. call: its name; offset, length: bytes as the caller
   * gave them, not rounded.
   */
  sync(thread: number, file: number, offset: number, length: number, call: string, location: LocationId = 0): void {
    this.#add(OpKind.Sync, thread, file, offset, length, this.#word(call), location)
  }

  mark(thread: number, label: string): void {
    const word = this.#word(label)
    this.#threadLabels.set(thread, word)
    this.#lastLabel = word
    this.#add(OpKind.Mark, thread, 0, 0, 0, word, 0)
  }

  acknowledged(thread: number, id: string): void {
    this.#add(OpKind.Acknowledge, thread, 0, 0, 0, this.#word(id), 0)
  }

  /** An operation of the program begins: until its end the state may be the one before it or the one after it. */
  begin(thread: number, id: string): void {
    this.#add(OpKind.Begin, thread, 0, 0, 0, this.#word(id), 0)
  }

  end(thread: number, id: string): void {
    this.#add(OpKind.End, thread, 0, 0, 0, this.#word(id), 0)
  }

  /** A place in the program, by the number that operations refer to it. */
  location(text: string): LocationId {
    return this.#word(text)
  }

  /** An OpKind. */
  kind(op: number): number {
    return this.#kinds[row(op)] as number
  }

  thread(op: number): number {
    return this.#threads[row(op)] as number
  }

  file(op: number): number {
    return this.#files[row(op)] as number
  }

  /** First byte in the file. */
  offset(op: number): number {
    return this.#offsets[row(op)] as number
  }

  length(op: number): number {
    return this.#lengths[row(op)] as number
  }

  /** Byte `index` of a store. */
  byte(op: number, index: number): number {
    return this.#bytes[(this.#data[row(op)] as number) + row(index)] as number
  }

  /** The bytes of a store; they change with the log. */
  bytes(op: number): Uint8Array {
    const from = this.#data[row(op)] as number
    return this.#bytes.subarray(from, from + this.length(op))
  }

  /** What the thread had said it does: the label of its last mark before the operation, or ''. */
  label(op: number): string {
    return this.#words[this.#labels[row(op)] as number] ?? ''
  }

  /** Where in the program, or ''. */
  where(op: number): string {
    return this.#words[this.#locations[row(op)] as number] ?? ''
  }

  /** Of a mark, an acknowledgement, begin, end: its word; of a sync: the call. */
  word(op: number): string {
    return this.#words[this.#data[row(op)] as number] ?? ''
  }

  /** The pages of a sync of either form: the operation that has their range. */
  isSync(op: number): boolean {
    return this.kind(op) === OpKind.Sync || (this.kind(op) === OpKind.Flush && this.thread(op) < 0)
  }

  isStore(op: number): boolean {
    return this.kind(op) <= OpKind.StoreNonTemporal
  }

  /** Forget everything; the memory is kept. */
  clear(): void {
    this.#count = 0
    this.#bytesUsed = 0
    this.#threadLabels.clear()
    this.#lastLabel = 0
  }

  /** 32 bits of what happened: two runs with the same log have the same. Locations do not count. */
  digest(): number {
    let hash = 0x811c9dc5
    const fold = (value: number): void => {
      hash = Math.imul(hash ^ value, 0x01000193)
    }
    for (let op = 0; op < this.#count; op++) {
      for (const value of [this.kind(op), this.thread(op), this.file(op), this.offset(op), this.length(op)]) fold(value)
      if (this.isStore(op)) for (let i = 0; i < this.length(op); i++) fold(this.byte(op, i))
      else for (const character of this.word(op)) fold(character.codePointAt(0) ?? 0)
    }
    return hash >>> 0
  }

  #add(
    kind: OpKind,
    thread: number,
    file: number,
    offset: number,
    length: number,
    data: number,
    location: LocationId,
  ): void {
    requireInteger('thread', thread)
    requireInteger('file', file)
    requireRange('offset', offset, 0, Number.MAX_SAFE_INTEGER)
    requireRange('length', length, 0, Number.MAX_SAFE_INTEGER - offset)
    requireInteger('location', location)
    const op = this.#count
    if (op === this.#kinds.length) this.#grow()
    this.#kinds[op] = kind
    this.#threads[op] = thread
    this.#files[op] = file
    this.#offsets[op] = offset
    this.#lengths[op] = length
    this.#data[op] = data
    // What is done for a file is done by whoever spoke last.
    this.#labels[op] = thread < 0 ? this.#lastLabel : (this.#threadLabels.get(thread) ?? 0)
    this.#locations[op] = location
    this.#count++
  }

  #word(text: string): number {
    const given: unknown = text
    if (typeof given !== 'string') throw wrongType('a name, label or id', 'a string', given)
    let id = this.#wordIds.get(text)
    if (id === undefined) {
      id = this.#words.push(text) - 1
      this.#wordIds.set(text, id)
    }
    return id
  }

  #grow(): void {
    const capacity = this.#kinds.length * 2
    this.#threads = extend(this.#threads, new Int32Array(capacity))
    this.#files = extend(this.#files, new Int32Array(capacity))
    this.#offsets = extend(this.#offsets, new Float64Array(capacity))
    this.#lengths = extend(this.#lengths, new Float64Array(capacity))
    this.#data = extend(this.#data, new Int32Array(capacity))
    this.#labels = extend(this.#labels, new Int32Array(capacity))
    this.#locations = extend(this.#locations, new Int32Array(capacity))
    // The last: its length says whether there is room.
    this.#kinds = extend(this.#kinds, new Uint8Array(capacity))
  }

  #keepBytes(length: number): void {
    if (this.#bytesUsed + length <= this.#bytes.length) return
    this.#bytes = extend(this.#bytes, new Uint8Array(this.#bytes.length * 2 + length))
  }
}

/** An operation that is no number is misuse; one that is not in the log has no values. */
function row(op: unknown): number {
  if (typeof op === 'number') return op
  throw wrongType('the number of an operation', 'a number', op)
}

function extend<Column extends Uint8Array | Int32Array | Float64Array>(from: Column, to: Column): Column {
  to.set(from)
  return to
}
