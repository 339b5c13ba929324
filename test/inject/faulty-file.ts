/** A file of the workload: two opens and two mappings of it, and what it must hold whatever fails. */
import { type DaxFile, type DaxMapping, type Pmem, PmemError } from '../../lib/index.js'
import { FileModel, Lost } from './file-model.js'

/** What the run knows of the injected error: how often it has hit, and whether the last call was told. */
export interface Watch {
  /** Errors injected until now. */
  readonly failures: () => number
  /** May a call succeed although an operation of it was hit, because there is another way to do it? */
  readonly mayAbsorb: boolean
  /** A call has failed because of the injected error. */
  readonly told: (call: string, file: FaultyFile) => void
}

/** What a call that succeeds makes of the file; what is left out stays. */
export interface Effect {
  readonly after?: Uint8Array
  /** done: bytes, of a call that returns how many. */
  readonly sizeAfter?: (done: number) => number
  /** The call returns how many bytes it has done, and should do so many. */
  readonly length?: number
}

export class FaultyFile {
  readonly model: FileModel
  opens: [DaxFile, DaxFile]
  map: DaxMapping
  /** MAP_SYNC, by the second open. */
  syncMap: DaxMapping

  constructor(
    readonly pmem: Pmem,
    readonly watch: Watch,
    readonly name: string,
    readonly limit: number,
    before?: FaultyFile,
  ) {
    const options = { create: true, size: limit / 2, maxSize: limit }
    this.opens = [pmem.open(name, options), pmem.open(name, options)]
    this.map = this.opens[0].mmap({ length: limit })
    this.syncMap = this.opens[1].mmap({ length: limit, sync: true })
    this.model = before?.model ?? new FileModel(name, limit, limit / 2)
  }

  get first(): DaxFile {
    return this.opens[0]
  }

  /**
   * Make a call. When it succeeds the file is as `after` and `sizeAfter` say; when it fails, or tells by a count that
   * it fell short, for no other reason than the injected error, each byte is as before or as after.
   *
   * call: returns what it has done, of `length`. Return: whether it succeeded. Errors: Lost.
   */
  attempt(what: string, call: () => unknown, { after, sizeAfter, length }: Effect = {}): boolean {
    const before = this.watch.failures()
    let done: unknown
    const failure = errorOf(() => (done = call()))
    const hits = this.watch.failures() - before
    const short = failure === undefined && length !== undefined && done !== length
    const bytesAfter = after ?? this.model.now
    const size = sizeAfter?.(typeof done === 'number' ? done : (length ?? 0)) ?? this.model.size
    if (failure === undefined && !short) {
      if (hits > 0 && !this.watch.mayAbsorb) throw new Lost(`${this.name}: ${what} met an error and told nobody`)
      this.model.become(bytesAfter, size)
      return true
    }
    if (hits === 0) throw failure ?? new Lost(`${this.name}: ${what} did ${String(done)} of ${String(length)} bytes`)
    if (failure !== undefined && !(failure instanceof PmemError)) throw failure
    const found = this.look()
    this.model.adopt(found.bytes, found.size, bytesAfter, size, what)
    this.watch.told(what, this)
    return false
  }

  /** All of the file by read(2). */
  look(): { bytes: Uint8Array; size: number } {
    const bytes = new Uint8Array(this.limit)
    const { size } = this.first
    const before = this.watch.failures()
    let done = -1
    const failure = errorOf(() => (done = this.first.read(bytes, 0)))
    const hits = this.watch.failures() - before
    // The read itself may meet the error, and then it says so.
    if (hits > 0 && (failure !== undefined || done !== size)) return this.look()
    if (failure !== undefined) throw failure
    if (done !== size) throw new Lost(`${this.name}: a read of ${size} bytes gave ${done}`)
    return { bytes, size }
  }

  expectNow(when: string): void {
    const { bytes, size } = this.look()
    this.model.expectNow(bytes, size, `${when}, by read`)
    const mapped = new Uint8Array(this.limit)
    // Which may meet the error too, once.
    const before = this.watch.failures()
    const load = (): unknown => this.map.tryRead(0, mapped.subarray(0, size))
    const failure = errorOf(load)
    if (failure !== undefined && this.watch.failures() === before) throw failure
    if (failure !== undefined) load()
    this.model.expectNow(mapped, size, `${when}, mapped`)
  }

  expectPromised(when: string): void {
    const { bytes, size } = this.look()
    this.model.afterCrash(bytes, size, when)
  }
}

export function errorOf(call: () => unknown): Error | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
