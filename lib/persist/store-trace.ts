/**
 * What a traced mount (stores: 'traced') tells of the calls of one thread, beside the stores that the tracer records by
 * itself. Uses the addon: the log and the lock that orders it are native, because signal handlers write to it.
 *
 * A record stands where it is true. A flush is recorded with the store lock held over flush and record, so that what
 * was stored before it in the log is in the snapshot and what comes after it is not. A fence is recorded when it is
 * done. A sync is a flush where it begins and a fence where it ends.
 *
 * msync, fsync and write(2) act for a file, whoever calls them: a sync makes durable what all threads wrote to it, and
 * a fence of the caller does not. So they appear as a thread of their own, number -file.
 */
import type { Addon } from '../binding/addon.js'
import type { SharedWords } from '../sync/shared-words.js'

/** LogRecord::kind (native/store_log.h). */
export const enum LogKind {
  Store = 1,
  Flush = 2,
  Fence = 3,
  Mark = 4,
  Acknowledged = 5,
  /** The number of a file stands for this name from here on. */
  File = 6,
  /** The number of a location stands for this place in the program. */
  Location = 7,
}

export const enum StoreRecording {
  On = 1,
  /** Calls record from where in the program they were made. */
  Stacks = 2,
  /** Nothing is recorded any more, and the log still belongs to who reads the rest of it. */
  Ending = 4,
}

const NOTHING = new Uint8Array(0)

export class StoreTrace {
  readonly #fields = new Float64Array(6)
  readonly #locations = new Map<string, number>()
  /** Of the recording that has learnt them. */
  #generation = 0

  constructor(
    private readonly addon: Addon,
    private readonly words: SharedWords,
    /** Word of the StoreRecording bits, followed by one that counts recordings. */
    private readonly word: number,
    /** Address of the log. */
    readonly log: number,
    private readonly thread: number,
  ) {}

  /** StoreRecording.On, Stacks; 0 while nothing is recorded. */
  get recording(): number {
    const bits = this.words.load(this.word)
    return (bits & StoreRecording.Ending) === 0 ? bits : 0
  }

  /** Stores of the kernel thread are ours; 0: of none. */
  nameThread(kernelId: number): void {
    this.addon.nameStoreThread(this.log, this.thread, kernelId)
  }

  /** Return: false when someone records already. */
  start(bits: number): boolean {
    if (this.words.cas(this.word, 0, bits) !== 0) return false
    this.words.add(this.word + 1, 1)
    this.addon.setStoreRecording(this.log, true)
    return true
  }

  /** Record no more. The log is the caller's to read, and nobody else's to begin anew, until giveUp. */
  stop(): void {
    this.words.store(this.word, StoreRecording.Ending)
    this.addon.setStoreRecording(this.log, false)
  }

  /** The next may start. Context: after stop, by the same recorder. */
  giveUp(): void {
    this.words.store(this.word, 0)
  }

  /**
   * Run a call during which no other thread makes a traced store. The call makes none itself.
   * Context: the lock comes after freeze, address space and i_rwsem, and before the range lock.
   */
  exclusive<Result>(call: () => Result): Result {
    this.hold()
    try {
      return call()
    } finally {
      this.release()
    }
  }

  hold(): void {
    this.addon.holdStores()
  }

  release(): void {
    this.addon.releaseStores()
  }

  flushed(file: number, offset: number, length: number, location: number): void {
    this.#append(LogKind.Flush, this.thread, file, offset, length, location)
  }

  fenced(location: number): void {
    this.#append(LogKind.Fence, this.thread, 0, 0, 0, location)
  }

  mark(label: Uint8Array, location: number): void {
    this.#append(LogKind.Mark, this.thread, 0, 0, 0, location, label)
  }

  acknowledged(id: Uint8Array, location: number): void {
    this.#append(LogKind.Acknowledged, this.thread, 0, 0, 0, location, id)
  }

  syncBegun(file: number, offset: number, length: number): void {
    this.#append(LogKind.Flush, -file, file, offset, length, 0)
  }

  /** Context: i_rwsem of the file shared. */
  syncDone(file: number): void {
    this.#append(LogKind.Fence, -file, file, 0, 0, 0)
  }

  /** write(2) has put bytes into the cache, where they are at `address`. Context: inside exclusive. */
  written(file: number, offset: number, address: number, length: number): void {
    if (this.recording === 0) return
    this.#fields.set([-file, file, offset, length, 0, 1])
    this.addon.appendStores(this.log, this.#fields, address, length)
  }

  named(file: number, name: Uint8Array): void {
    this.#append(LogKind.File, this.thread, file, 0, 0, 0, name)
  }

  /** Return: the number of a place in the program, which the log learns when it is new to this thread. */
  locationOf(place: string): number {
    const generation = this.words.load(this.word + 1)
    if (generation !== this.#generation) this.#locations.clear()
    this.#generation = generation
    const known = this.#locations.get(place)
    if (known !== undefined) return known
    const location = this.thread * LOCATIONS_PER_THREAD + (this.#locations.size % LOCATIONS_PER_THREAD) + 1
    this.#locations.set(place, location)
    this.#append(LogKind.Location, this.thread, 0, 0, 0, location, new TextEncoder().encode(place))
    return location
  }

  #append(
    kind: LogKind,
    thread: number,
    file: number,
    offset: number,
    length: number,
    location: number,
    payload: Uint8Array = NOTHING,
  ): void {
    if (this.recording === 0) return
    const fields = this.#fields
    fields[0] = thread
    fields[1] = file
    fields[2] = offset
    fields[3] = length
    fields[4] = location
    fields[5] = 0
    this.addon.appendStoreRecord(this.log, kind, fields, payload)
  }
}

const LOCATIONS_PER_THREAD = 1 << 20
