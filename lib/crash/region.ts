/**
 * A region of persistent memory, as a program under test sees it: loads, stores, clwb and sfence, and what the program
 * says about itself. Everything goes through a call, so everything is recorded, on any machine and without privileges.
 *
 * The verbs are libpmem2's: a store is in the cache; flush puts lines on their way; fence waits for them; persist is
 * both. The same program runs on plain memory and on a mapping (mapped-region.ts).
 */
import {
  requireBoolean,
  requireBuffer,
  requireFunction,
  requireInteger,
  requireOptions,
  requireRange,
  requireString,
  describeValue,
  wrongRange,
  wrongType,
} from '../args.js'
import { StoreLog } from './store-log.js'
import { UndoLines } from './undo-lines.js'
import { callerLocation } from './caller-location.js'

/** The number of the one file a region is, in its log. */
export const REGION_FILE = 1

export interface RegionOptions {
  /** Where calls are written down. Default: a log of its own. */
  readonly log?: StoreLog
  /** Write down from where each call came: some microseconds each. Default false. */
  readonly locations?: boolean
}

export class Region {
  readonly log: StoreLog
  #bytes: Uint8Array
  #view: DataView
  readonly #locations: boolean
  readonly #undo: UndoLines
  #thread = 1
  #shown: Uint8Array
  /** Called for each load, when somebody wants to know. */
  #onLoad: ((offset: number, length: number) => void) | undefined

  /** bytes: the memory. Errors: TypeError for memory or options that are none. */
  constructor(bytes: Uint8Array, options: RegionOptions = {}) {
    const memory: unknown = bytes
    if (!(memory instanceof Uint8Array)) throw wrongType('bytes', 'a Uint8Array', memory)
    const given = requireOptions<RegionOptions>('region options', options, ['log', 'locations'])
    const log: unknown = given.log ?? new StoreLog()
    if (!(log instanceof StoreLog)) throw wrongType('log', 'a StoreLog', log)
    requireBuffer('bytes', bytes)
    this.#bytes = bytes
    this.#shown = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.log = log
    this.#locations = requireBoolean('locations', given.locations ?? false)
    this.#undo = new UndoLines(bytes)
  }

  /** Bytes. */
  get size(): number {
    return this.#bytes.length
  }

  /** The memory, for loads. A store through it is one nobody sees: use the calls. */
  get bytes(): Uint8Array {
    return this.#shown
  }

  /** 8 bytes, little-endian. Errors: RangeError outside the region, as all calls here. */
  load64(offset: number): bigint {
    this.#load(offset, 8)
    return this.#view.getBigUint64(offset, true)
  }

  load32(offset: number): number {
    this.#load(offset, 4)
    return this.#view.getUint32(offset, true)
  }

  load8(offset: number): number {
    this.#load(offset, 1)
    return this.#view.getUint8(offset)
  }

  /** A copy of bytes. */
  load(offset: number, length: number): Uint8Array {
    this.#load(offset, length)
    return this.#bytes.slice(offset, offset + length)
  }

  /** An aligned 8-byte store is never torn. value: an integer; what does not fit is cut off, as by DataView. */
  store64(offset: number, value: bigint | number): void {
    const bits = typeof value === 'bigint' ? value : BigInt(requireInteger('value', value))
    this.#before('store', offset, 8)
    this.#view.setBigUint64(offset, bits, true)
    this.#stored(offset, 8, false)
  }

  store32(offset: number, value: number): void {
    requireInteger('value', value)
    this.#before('store', offset, 4)
    this.#view.setUint32(offset, value, true)
    this.#stored(offset, 4, false)
  }

  store8(offset: number, value: number): void {
    requireInteger('value', value)
    this.#before('store', offset, 1)
    this.#view.setUint8(offset, value)
    this.#stored(offset, 1, false)
  }

  /** Any bytes: stored in ascending order, 8 at a time. */
  store(offset: number, source: ArrayBufferView | ArrayBuffer): void {
    this.#storeBytes(offset, source, false)
  }

  /** Non-temporal: past the cache, in any order, durable after the next fence without a flush. */
  storeNT(offset: number, source: ArrayBufferView | ArrayBuffer): void {
    this.#storeBytes(offset, source, true)
  }

  /** clwb of each line the bytes touch. Durable after the next fence. */
  flush(offset: number, length = 1): void {
    this.#within('flush', offset, length)
    this.log.flush(this.#thread, REGION_FILE, offset, length, this.#where())
  }

  /** sfence. */
  fence(): void {
    this.log.fence(this.#thread, this.#where())
  }

  persist(offset: number, length = 1): void {
    this.flush(offset, length)
    this.fence()
  }

  /** msync(MS_SYNC) of the pages that the bytes touch. */
  msync(offset = 0, length?: number): void {
    const bytes = length ?? this.size - requireInteger('offset', offset)
    this.#within('msync', offset, bytes)
    this.log.sync(this.#thread, REGION_FILE, offset, bytes, 'msync', this.#where())
  }

  /** Name what is done from here on: reports use the name. */
  mark(label: string): void {
    this.log.mark(this.#thread, requireString('label', label))
  }

  /** The user has been told that this is done: it must survive from here on. */
  acknowledged(id: string): void {
    this.log.acknowledged(this.#thread, requireString('id', id))
  }

  /** An operation: a crash in it may leave the state before it or the state after it. Return: what `work` returns. */
  operation<Result>(id: string, work: () => Result): Result {
    requireFunction('work', work)
    this.log.begin(this.#thread, requireString('id', id))
    const result = work()
    this.log.end(this.#thread, id)
    return result
  }

  /** Calls that follow are those of another thread: a fence covers only what its own thread flushed. */
  asThread(thread: number): void {
    this.#thread = requireRange('thread', thread, 1, 1 << 16)
  }

  /** @internal Be told of loads from now on; shown: the memory in a form that tells of its loads. */
  watchLoads(onLoad: (offset: number, length: number) => void, shown: Uint8Array): void {
    this.#onLoad = onLoad
    this.#shown = shown
  }

  /** @internal Memory as it was when the last of begin and rewind was called; forgets the log. */
  rewind(): void {
    this.#undo.rewind()
    this.log.clear()
    this.#thread = 1
  }

  /** @internal Whoever still has the region, after its time was up, has an empty one. */
  end(): void {
    this.#bytes = this.#shown = new Uint8Array(0)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** @internal Memory as it was; the log stays. */
  rewindMemory(): void {
    this.#undo.rewind()
  }

  /** @internal What is there now was there at the beginning: durable, and in no log. */
  begin(): void {
    this.#undo.forget()
    this.log.clear()
  }

  /** @internal Has anything been stored since? */
  get isChanged(): boolean {
    return this.#undo.count > 0
  }

  #storeBytes(offset: number, source: ArrayBufferView | ArrayBuffer, nonTemporal: boolean): void {
    const from = requireBuffer('source', source)
    this.#before('store', offset, from.length)
    this.#bytes.set(from, offset)
    if (from.length > 0) this.#stored(offset, from.length, nonTemporal)
  }

  #load(offset: number, length: number): void {
    this.#within('load', offset, length)
    this.#onLoad?.(offset, length)
  }

  #before(call: string, offset: number, length: number): void {
    this.#within(call, offset, length)
    if (length > 0) this.#undo.save(offset, length)
  }

  #stored(offset: number, length: number, nonTemporal: boolean): void {
    const bytes = this.#bytes.subarray(offset, offset + length)
    this.log.store(this.#thread, REGION_FILE, offset, bytes, nonTemporal, this.#where())
  }

  #within(call: string, offset: number, length: number): void {
    if (Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0) {
      if (offset + length <= this.#bytes.length) return
    }
    const inside = `inside the region of ${this.#bytes.length} bytes`
    const came = `${describeValue(length)} bytes at ${describeValue(offset)}`
    throw wrongRange(`the range of a ${call}`, inside, came)
  }

  #where(): number {
    return this.#locations ? this.log.location(callerLocation()) : 0
  }
}
