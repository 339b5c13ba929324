/** What one read of a userfaultfd brought (native/fault_record.h). */

export const enum FaultRecord {
  /** Most faults of a batch. */
  BatchMax = 64,
  // Places in the array the addon fills.
  Entered = 0,
  Returned = 1,
  First = 2,
  Size = 3,
  Address = 0,
  Flags = 1,
  Thread = 2,
}

/** The faults of a batch, and what became of them. Made once: the loop allocates nothing. */
export class FaultBatch {
  readonly kinds: Int32Array

  /** records: for as many faults as one read may bring; the addon reads as many as there is room for. */
  constructor(readonly records: Float64Array) {
    this.kinds = new Int32Array((records.length - FaultRecord.First) / FaultRecord.Size)
  }

  /** Length of the records of `size` faults. */
  static lengthFor(size: number): number {
    return FaultRecord.First + size * FaultRecord.Size
  }

  /** Nanoseconds: when the read was entered. */
  get entered(): number {
    return this.records[FaultRecord.Entered] as number
  }

  /** Nanoseconds: when it returned. */
  get returned(): number {
    return this.records[FaultRecord.Returned] as number
  }

  address(i: number): number {
    return this.records[FaultRecord.First + i * FaultRecord.Size + FaultRecord.Address] as number
  }

  flags(i: number): number {
    return this.records[FaultRecord.First + i * FaultRecord.Size + FaultRecord.Flags] as number
  }

  thread(i: number): number {
    return this.records[FaultRecord.First + i * FaultRecord.Size + FaultRecord.Thread] as number
  }
}
