/** A file whose calls may fail: two opens and two mappings of it, and what it must hold whatever happens. */
import { INJECT_ERRORS } from '../../inject-rules.js'
import { PmemError } from '../../errors.js'
import type { DaxFile } from '../../fs/dax-file.js'
import type { DaxMapping } from '../../fs/dax-mapping.js'
import type { Pmem } from '../../fs/pmem.js'
import { Mismatch } from '../mismatch.js'
import { FileModel } from './file-model.js'

/** What the run knows of injected errors, and what it is told of calls. */
export interface Watch {
  /** Errors injected until now: a call may fail only when there are more after it than there were before. */
  readonly failures: () => number
  /** A call is about to be made. */
  readonly begin: (call: string, file: FailingFile) => void
  /** May a call succeed although an operation of it was hit, because there is another way to do it? */
  readonly mayAbsorb: boolean
  /** A call has failed because of the injected error. */
  readonly told: (call: string, file: FailingFile) => void
}

/** What a call that succeeds makes of the file; what is left out stays. */
export interface Effect {
  readonly after?: Uint8Array
  /** done: bytes, of a call that returns how many. */
  readonly sizeAfter?: (done: number) => number
  /** The call returns how many bytes it has done, and should do so many. */
  readonly length?: number
}

/** What the file may grow by from the start, in bytes. */
const ROOM = 16 * 4096

export class FailingFile {
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
    before?: FailingFile,
  ) {
    const size = limit - ROOM
    const options = { create: true, size, maxSize: limit }
    this.opens = [pmem.open(name, options), pmem.open(name, options)]
    this.map = this.opens[0].mmap({ length: limit })
    this.syncMap = this.opens[1].mmap({ length: limit, sync: true })
    this.model = before?.model ?? new FileModel(name, limit, size)
  }

  get first(): DaxFile {
    return this.opens[0]
  }

  /**
   * Make a call. When it succeeds the file is as `after` and `sizeAfter` say; when it fails, or tells by a count that
   * it fell short, for no other reason than the injected error, each byte is as before or as after.
   *
   * call: returns what it has done, of `length`. Return: whether it succeeded. Errors: Mismatch.
   */
  attempt(what: string, call: () => unknown, { after, sizeAfter, length }: Effect = {}): boolean {
    this.watch.begin(what, this)
    const before = this.watch.failures()
    let done: unknown
    const failure = errorOf(() => (done = call()))
    const hits = this.watch.failures() - before
    const short = failure === undefined && length !== undefined && done !== length
    const bytesAfter = after ?? this.model.now
    const size = sizeAfter?.(typeof done === 'number' ? done : (length ?? 0)) ?? this.model.size
    if (failure === undefined && !short) {
      if (hits > 0 && !this.watch.mayAbsorb) throw new Mismatch(`${this.name}: ${what} met an error and told nobody`)
      this.model.become(bytesAfter, size)
      return true
    }
    if (hits === 0)
      throw failure ?? new Mismatch(`${this.name}: ${what} did ${String(done)} of ${String(length)} bytes`)
    if (failure !== undefined && !isInjected(failure)) throw failure
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
    if (hits > 0 && (failure === undefined ? done !== size : isInjected(failure))) return this.look()
    if (failure !== undefined) throw failure
    if (done !== size) throw new Mismatch(`${this.name}: a read of ${size} bytes gave ${done}`)
    return { bytes, size }
  }

  expectNow(when: string): void {
    const { bytes, size } = this.look()
    this.model.expectNow(bytes, size, `${when}, by read`)
    const mapped = new Uint8Array(this.limit)
    for (let isLoaded = false; !isLoaded;) {
      // Which may meet an error too.
      const before = this.watch.failures()
      const failure = errorOf(() => this.map.tryRead(0, mapped.subarray(0, size)))
      if (failure !== undefined && this.watch.failures() === before) throw failure
      isLoaded = failure === undefined
    }
    this.model.expectNow(mapped, size, `${when}, mapped`)
  }

  expectPromised(when: string): void {
    const { bytes, size } = this.look()
    this.model.afterCrash(bytes, size, when)
  }
}

function isInjected(failure: Error): boolean {
  return failure instanceof PmemError && (INJECT_ERRORS as readonly string[]).includes(failure.code)
}

export function errorOf(call: () => unknown): Error | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
