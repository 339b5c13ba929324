/**
 * Checks a recording against the programs that made it (traced-program.ts).
 *
 * Replays each store into an image, in the order of the log. Between two marks of a thread lies one operation: the same
 * operation is run on plain memory, and then the bytes of the thread's region must be equal, no byte outside what the
 * operation stores may have been recorded, and each byte inside must have been. In the shared area each thread adds 1
 * to one counter: its values must appear one by one, whoever stores them.
 */
import type { StoreSink } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import {
  type Memory,
  type Operation,
  REGION_BYTES,
  SHARED_BYTES,
  bytesFor,
  nextOperation,
  plainMemory,
} from './traced-program.js'

interface ThreadState {
  readonly prng: Prng
  /** The mount's number of the thread. */
  number: number
  operation: Operation | undefined
  operations: number
  records: number
}

export class TracedChecker implements StoreSink {
  readonly image: Uint8Array
  readonly #model: Memory
  readonly #modelBytes: Uint8Array
  /** Number of the operation that stored a byte last, to see which bytes one has covered. */
  readonly #stamps: Uint32Array
  readonly #threads: ThreadState[]
  #stamp = 1
  #counter = 0
  stores = 0
  bytes = 0
  readonly widths = new Map<number, number>()
  readonly names = new Map<string, number>()

  constructor(seed: number, threads: number) {
    const size = bytesFor(threads)
    const buffer = new ArrayBuffer(size)
    this.image = new Uint8Array(size)
    this.#model = plainMemory(buffer)
    this.#modelBytes = new Uint8Array(buffer)
    this.#stamps = new Uint32Array(size)
    this.#threads = Array.from({ length: threads }, (_, thread) => ({
      prng: new Prng(seed + thread),
      number: 0,
      operation: undefined,
      operations: 0,
      records: 0,
    }))
  }

  get operations(): number {
    return this.#threads.reduce((sum, { operations }) => sum + operations, 0)
  }

  store(thread: number, file: number, offset: number, bytes: Uint8Array, nonTemporal: boolean): void {
    this.stores++
    this.bytes += bytes.length
    this.widths.set(bytes.length, (this.widths.get(bytes.length) ?? 0) + 1)
    if ((offset % 64) + bytes.length > 64)
      throw new Error(`a record of ${bytes.length} bytes at ${offset} crosses a line`)
    if (offset < SHARED_BYTES) this.#shared(offset, bytes)
    else this.#own(thread, file, offset, bytes, nonTemporal)
    this.image.set(bytes, offset)
  }

  flush(): void {
    // What is flushed does not change what was stored.
  }

  fence(): void {
    // As flush.
  }

  acknowledged(): void {
    // As flush.
  }

  /** label: 'thread number', before each operation; 'thread end' after the last. */
  mark(thread: number, label: string): void {
    const [index = '', what = ''] = label.split(' ')
    const state = this.#threads[Number(index)]
    if (state === undefined) throw new Error(`mark '${label}' of no thread`)
    state.number = thread
    this.#finish(state, Number(index))
    if (what === 'end') return
    if (Number(what) !== state.operations) throw new Error(`mark '${label}' after ${state.operations} operations`)
    state.operation = nextOperation(state.prng, Number(index))
    state.operations++
    state.records = 0
    const stamp = ++this.#stamp
    if (stamp === 2 ** 32 - 1) throw new Error('too many operations')
    this.names.set(state.operation.name, (this.names.get(state.operation.name) ?? 0) + 1)
    this.#stampOf.set(state, stamp)
  }

  readonly #stampOf = new Map<ThreadState, number>()

  /** Everything: the image must be what memory holds, and the threads' regions what the model has. */
  finish(memory: Uint8Array): void {
    for (const [index, state] of this.#threads.entries()) {
      if (state.operation !== undefined) throw new Error(`thread ${index} did not end`)
    }
    const wrong = memory.findIndex((byte, at) => byte !== this.image[at])
    if (wrong >= 0)
      throw new Error(`byte ${wrong} is ${memory[wrong]} in memory and ${this.image[wrong]} by the records`)
    const off = this.#modelBytes.findIndex((byte, at) => at >= SHARED_BYTES && byte !== this.image[at])
    if (off >= 0) throw new Error(`byte ${off} differs from the model`)
  }

  /** The counter at 0; the rest of the area is stored to at random. */
  #shared(offset: number, bytes: Uint8Array): void {
    if (offset >= 4) return
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
    if (offset !== 0 || bytes.length !== 4) throw new Error(`the counter was stored by ${bytes.length} at ${offset}`)
    if (value !== this.#counter + 1) throw new Error(`the counter went from ${this.#counter} to ${value}`)
    this.#counter = value
  }

  #own(thread: number, file: number, offset: number, bytes: Uint8Array, nonTemporal: boolean): void {
    const index = Math.floor((offset - SHARED_BYTES) / REGION_BYTES)
    const state = this.#threads[index]
    const operation = state?.operation
    if (state === undefined || operation === undefined) throw new Error(`a store at ${offset} outside every operation`)
    const told = `${operation.name} of thread ${index}, operation ${state.operations - 1}`
    const expected = operation.byFile ? -file : state.number
    if (thread !== expected) throw new Error(`${told}: store of thread ${thread}, not ${expected}`)
    if (nonTemporal !== operation.nonTemporal) throw new Error(`${told}: non-temporal ${nonTemporal}`)
    if (offset < operation.offset || offset + bytes.length > operation.offset + operation.length) {
      throw new Error(`${told}: ${bytes.length} bytes at ${offset}, outside ${operation.length} at ${operation.offset}`)
    }
    state.records++
    this.#stamps.fill(this.#stampOf.get(state) as number, offset, offset + bytes.length)
  }

  #finish(state: ThreadState, index: number): void {
    const { operation } = state
    if (operation === undefined) return
    state.operation = undefined
    const { offset, length } = operation
    const told = `${operation.name} of thread ${index}, operation ${state.operations - 1}`
    operation.run(this.#model)
    const stamp = this.#stampOf.get(state) as number
    for (let at = offset; at < offset + length; at++) {
      if (this.#modelBytes[at] !== this.image[at]) {
        throw new Error(`${told}: byte ${at} is ${this.image[at]} and should be ${this.#modelBytes[at]}`)
      }
      if (!operation.within && this.#stamps[at] !== stamp) throw new Error(`${told}: byte ${at} was not recorded`)
    }
    if (operation.single && state.records !== 1) throw new Error(`${told}: ${state.records} records`)
  }
}
