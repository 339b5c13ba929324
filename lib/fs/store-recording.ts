/** Recording stores: what Pmem.recordStores gives. */
import { requireOneOf, requireOptions, wrongType } from '../args.js'
import { PmemError } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { StoreLogReader } from '../persist/store-log-reader.js'
import type { StoreSink } from '../persist/store-sink.js'
import { StoreRecording as Bits } from '../persist/store-trace.js'
import { flag } from './pool-directory.js'
import { liveInodes } from './inode-cache.js'

export interface RecordOptions {
  /**
   * What is known of where in the program a record comes from. 'labels' (default): the marks of its thread, nothing
   * more. 'stacks': flushes, fences and marks have the place of the call, and a store has that of its thread's last
   * one: the store was made after it. Costs about 10 µs a call.
   */
  locations?: 'labels' | 'stacks'
}

const SINK_METHODS = ['store', 'flush', 'fence', 'mark', 'acknowledged'] as const

const ROUNDS = 8

/** What a recording is asked for. */
export interface RecordRequest {
  readonly sink: StoreSink
  readonly stacks: boolean
}

/** Errors: TypeError, RangeError. */
export function resolveRecording(sink: unknown, options: unknown): RecordRequest {
  const known = requireSink(sink)
  const given = requireOptions<RecordOptions>('record options', options ?? {}, ['locations'])
  const locations = requireOneOf('locations', given.locations ?? 'labels', ['labels', 'stacks'])
  return { sink: known, stacks: locations === 'stacks' }
}

/** Errors: TypeError. */
function requireSink(sink: unknown): StoreSink {
  const given = sink as Partial<StoreSink> | null | undefined
  const missing = SINK_METHODS.find((method) => typeof given?.[method] !== 'function')
  if (missing === undefined) return given as StoreSink
  throw wrongType(`sink.${missing}`, 'a function', given?.[missing])
}

/**
 * A recording in progress. Records wait in memory until drain tells them to the sink, in the order in which they
 * happened, whichever thread of the mount made them.
 */
export class StoreRecorder implements Disposable {
  readonly #machine: Machine
  readonly #sink: StoreSink
  readonly #onStop: (recorder: StoreRecorder) => void
  readonly #reader: StoreLogReader
  readonly #records: ArrayBuffer
  #read = 0
  #active = true
  #draining = false

  /** Made by Pmem.recordStores. Errors: ENOTSUP (not traced), EBUSY. */
  constructor(machine: Machine, { sink, stacks }: RecordRequest, onStop: (recorder: StoreRecorder) => void) {
    const { stores, addon, handle } = machine
    this.#machine = machine
    this.#sink = sink
    this.#onStop = onStop
    if (stores === undefined) {
      throw new PmemError(
        'ENOTSUP',
        'recordStores',
        "single stores are seen only with the mount option stores: 'traced'",
      )
    }
    const start = stores.log + flag(addon.constants, 'STORE_LOG_HEADER')
    if (!stores.start(stacks ? Bits.On | Bits.Stacks : Bits.On)) {
      throw new PmemError('EBUSY', 'recordStores', 'the stores of this mount are being recorded already')
    }
    this.#records = addon.createArrayBuffer(start, handle.config.storeLogBytes)
    this.#reader = new StoreLogReader(this.#records)
    const { inodes } = machine
    for (const inode of liveInodes(machine)) stores.named(inode, new TextEncoder().encode(inodes.nameOf(inode)))
  }

  get isActive(): boolean {
    return this.#active
  }

  /** Names of the files by the numbers the sink gets, from 1 on. Read after drain. */
  get files(): readonly string[] {
    return this.#reader.files
  }

  /** Places in the program ('path:line:column') by the numbers the sink gets, from 1 on; 0 is unknown. */
  get locations(): readonly string[] {
    return this.#reader.locations
  }

  /**
   * Tell the sink everything that has happened until now. A sink that calls drain itself is told nothing more by it;
   * one that stops the recording, or closes the mount, is told nothing more at all.
   * Return: how many records. Errors: ENOSPC when the log was full and records were lost (storeLogSize); whatever the
   * sink throws, and then the rest of what was to be told is not.
   */
  drain(): number {
    return this.#active && !this.#draining ? this.#drain() : 0
  }

  /** drain, and record no more. Calling it again does nothing. Errors: as drain, when all is stopped. */
  stop(): void {
    if (!this.#active) return
    const { stores } = this.#machine
    stores?.stop()
    try {
      if (!this.#draining) this.#drain()
    } finally {
      this.#active = false
      stores?.giveUp()
      this.#machine.addon.detachArrayBuffer(this.#records)
      this.#onStop(this)
    }
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #drain(): number {
    this.#draining = true
    try {
      return this.#tell()
    } finally {
      this.#draining = false
    }
  }

  #tell(): number {
    const { addon, stores } = this.#machine
    if (stores === undefined) return 0
    let count = 0
    // The log begins anew when all of it was read; others may add to it meanwhile, and so may the sink.
    for (let round = 0; round < ROUNDS; round++) {
      const used = addon.storeLogUsed(stores.log)
      if (used < 0) throw new PmemError(used, 'drain', 'the store log was full and records were lost (storeLogSize)')
      const from = this.#read
      this.#read = used
      count += this.#reader.read(from, used, this.#sink, () => this.#active)
      // Stopped by the sink: the log may be gone.
      if (!this.#active) break
      if (!addon.restartStoreLog(stores.log, used)) continue
      this.#read = 0
      break
    }
    return count
  }
}
