/**
 * Where a fault worker's faults come from, and where the answers for single pages go.
 *
 * The two halves take turns: the call that answers the last fault of a batch may read the next batch into the other
 * half (native/fault_port.h). That is no sleep, so it may happen with the entry of that last fault locked; but what was
 * read waits for this worker, which must not sleep any more before it has served it. So a batch in which a fault had to
 * be put off does not read ahead.
 */
import type { Addon, NativeFaultPort } from '../binding/addon.js'
import type { Errno } from '../errors.js'
import { FaultBatch } from './fault-batch.js'
import { AddonResolver, type PageResolver } from './page-resolver.js'

/** native/fault_port.h, compared by test/unit/binding/addon.test.ts. */
export const enum PortWord {
  Spin = 0,
  Timeout = 1,
  Half = 2,
  Operation = 3,
  Address = 4,
  Source = 5,
  Mode = 6,
  Ahead = 7,
  Hold = 8,
  Records = 9,
}

export const enum PortOperation {
  Copy = 0,
  Continue = 1,
  Unprotect = 2,
  Wake = 3,
}

const NO_HALF = -1

export interface FaultPort extends PageResolver {
  /** The userfaultfd that faults are read from. */
  readonly uffd: number
  /** Of the last `next`. */
  readonly batch: FaultBatch
  /** Set: the next page that is answered is the last of its batch, and nobody will sleep before `next`. */
  readAhead: boolean
  /** Set: who waits for the next page that is answered is woken with one that is answered later, or by wakeHeld. */
  holdWake: boolean
  /** Context: before the faults of a batch that have to wait for others, and at its end. */
  wakeHeld(): void
  /**
   * Context: sleeps in native code, at most `timeoutMs`; the batch before is done with.
   * Return: faults in `batch`; 0 on time-out, -1 when the stop event is signalled. Errors: of the host.
   */
  next(spinUs: number, timeoutMs: number): number
}

/** Through a mailbox: the calls take no arguments. */
export class MailboxPort implements FaultPort {
  readAhead = false
  holdWake = false
  #holding = false
  readonly #box: Float64Array
  readonly #native: NativeFaultPort
  readonly #batches: readonly [FaultBatch, FaultBatch]
  #half: 0 | 1 = 0

  /** size: most faults of one batch. */
  constructor(
    addon: Addon,
    readonly uffd: number,
    stopEvent: number,
    size: number,
  ) {
    const length = FaultBatch.lengthFor(size)
    const bytes = (PortWord.Records + 2 * length) * Float64Array.BYTES_PER_ELEMENT
    this.#box = new Float64Array(new SharedArrayBuffer(bytes))
    const batchAt = (at: number): FaultBatch => new FaultBatch(this.#box.subarray(at, at + length))
    this.#batches = [batchAt(PortWord.Records), batchAt(PortWord.Records + length)]
    this.#native = addon.createFaultPort(uffd, stopEvent, this.#box)
  }

  get batch(): FaultBatch {
    return this.#batches[this.#half]
  }

  next(spinUs: number, timeoutMs: number): number {
    const box = this.#box
    this.readAhead = false
    this.#half = this.#half === 0 ? 1 : 0
    const ahead = box[PortWord.Ahead] as number
    box[PortWord.Ahead] = 0
    if (ahead > 0) return ahead
    box[PortWord.Spin] = spinUs
    box[PortWord.Timeout] = timeoutMs
    box[PortWord.Half] = this.#half
    return this.#native.read()
  }

  copyPage(address: number, from: number, mode: number): Errno {
    this.#box[PortWord.Source] = from
    return this.#resolve(PortOperation.Copy, address, mode)
  }

  continuePage(address: number, mode: number): Errno {
    return this.#resolve(PortOperation.Continue, address, mode)
  }

  unprotectPage(address: number): Errno {
    return this.#resolve(PortOperation.Unprotect, address, 0)
  }

  wakeHeld(): void {
    this.holdWake = false
    if (!this.#holding) return
    this.readAhead = false
    this.#resolve(PortOperation.Wake, 0, 0)
  }

  #resolve(operation: PortOperation, address: number, mode: number): Errno {
    const box = this.#box
    this.#holding = this.holdWake
    box[PortWord.Hold] = this.holdWake ? 1 : 0
    box[PortWord.Operation] = operation
    box[PortWord.Address] = address
    box[PortWord.Mode] = mode
    if (!this.readAhead) {
      // What was read ahead stays to be taken: a second call for one page reads nothing.
      const ahead = box[PortWord.Ahead] as number
      box[PortWord.Half] = NO_HALF
      const error = this.#native.resolve()
      box[PortWord.Ahead] = ahead
      return error
    }
    this.readAhead = false
    box[PortWord.Half] = this.#half === 0 ? 1 : 0
    return this.#native.resolve()
  }
}

/** Through the calls of an addon that does more than the host: traced memory. */
export class AddonPort extends AddonResolver implements FaultPort {
  readAhead = false
  holdWake = false
  readonly batch: FaultBatch

  constructor(
    addon: Addon,
    uffd: number,
    private readonly stopEvent: number,
    size: number,
  ) {
    super(addon, uffd)
    this.batch = new FaultBatch(new Float64Array(FaultBatch.lengthFor(size)))
  }

  wakeHeld(): void {
    this.holdWake = false
  }

  next(spinUs: number, timeoutMs: number): number {
    return this.addon.readFaults(this.uffd, this.stopEvent, this.batch.records, spinUs, timeoutMs)
  }
}
