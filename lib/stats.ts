/**
 * Counters of a mount, kept by thread (sync/threads.ts) and summed on demand.
 *
 * Each fault is counted once, by what it turned out to be; FaultNanoseconds + kind is the service time of those faults
 * as the worker saw it: from the event read to the next wait.
 */
import type { LockingName } from './config.js'

export const enum Counter {
  // One for each FaultKind, in its order.
  Faults = 0,
  FaultNanoseconds = 16,
  MajorFaults = 32,
  MinorFaults = 33,
  FaultBatches = 34,
  FaultsRetried = 35,
  PagesWritten = 36,
  LinesWritten = 37,
  LineRuns = 38,
  LinesFlushed = 39,
  CleanFlushes = 40,
  LinesFenced = 41,
  Fences = 42,
  LinesEvicted = 43,
  Syncs = 44,
  BytesRead = 45,
  BytesWritten = 46,
  Mappings = 47,
  Unmappings = 48,
  Crashes = 49,
  LockedEntries = 50,
  RangeConflicts = 51,
  HugeConflicts = 52,
  Count = 53,
}

/** What a fault turned out to be. */
export const enum FaultKind {
  /** Load from a hole: the zero page. */
  HoleRead = 0,
  /** Load from a block the cache did not hold. */
  DataRead = 1,
  /** Load from a page the cache held, not yet in this page table. */
  MinorRead = 2,
  /** Store to a hole: a block was allocated. */
  HoleWrite = 3,
  /** First store to a block the cache did not hold. */
  DataWrite = 4,
  /** First store to a page the cache held, not yet in this page table. */
  MinorWrite = 5,
  /** Store to a clean, present page (pfn_mkwrite). */
  Mkwrite = 6,
  /** Store to a private mapping: an anonymous copy. */
  PrivateCopy = 7,
  /** Ended in SIGBUS. */
  Failed = 8,
  /** Nothing to do any more: the mapping or the page is gone, the access is retried. */
  Stale = 9,
  /**
   * A 4 KiB piece of a 2 MiB page that the model has mapped already: the host maps on touch. Not a fault of the
   * model.
   */
  FillIn = 10,
  /** 2 MiB: load from a hole (the huge zero page), load from a block, store that allocated, other first store. */
  HugeHoleRead = 11,
  HugeDataRead = 12,
  HugeHoleWrite = 13,
  HugeDataWrite = 14,
  Count = 15,
}

export const FAULT_KINDS = [
  'holeRead',
  'dataRead',
  'minorRead',
  'holeWrite',
  'dataWrite',
  'minorWrite',
  'mkwrite',
  'privateCopy',
  'failed',
  'stale',
  'fillIn',
  'hugeHoleRead',
  'hugeDataRead',
  'hugeHoleWrite',
  'hugeDataWrite',
] as const

export type FaultName = (typeof FAULT_KINDS)[number]

export interface FaultStats {
  /** Faults served. */
  readonly count: number
  /** Mean service time in the worker, µs; 0 when there were none. */
  readonly meanMicroseconds: number
}

/** What pmem.stats() returns: totals over all threads since the mount. */
export interface MountStats {
  /** The mount option: which design keeps faults apart. */
  readonly locking: LockingName
  readonly faults: Readonly<Record<FaultName, FaultStats>>
  /** Faults that made the file system allocate or convert a block, and the others. */
  readonly majorFaults: number
  readonly minorFaults: number
  readonly faultBatches: number
  /**
   * Where threads met: faults that had to be begun again because something was locked; entries found locked, by faults
   * and by others; faults kept out by a truncate or its like; 2 MiB faults that found 4 KiB entries.
   */
  readonly faultsRetried: number
  readonly lockedEntries: number
  readonly rangeConflicts: number
  readonly hugeConflicts: number
  /** Pages written back by msync, fsync and fdatasync, and the 64-byte lines of them that differed from media. */
  readonly pagesWritten: number
  readonly linesWritten: number
  /** Contiguous writes to media those lines were joined to. */
  readonly lineRuns: number
  /** Lines put on their way by flush(), found clean by it, made durable by a fence, and evicted before one. */
  readonly linesFlushed: number
  readonly cleanFlushes: number
  readonly linesFenced: number
  readonly linesEvicted: number
  readonly fences: number
  readonly syncs: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly mappings: number
  readonly crashes: number
  /** Capacity accounting, bytes. */
  readonly capacity: number
  readonly free: number
  /** Kernel state in use now: records of the fixed pools. */
  readonly memory: {
    readonly treeNodes: number
    readonly extents: number
    readonly threads: number
    readonly inodes: number
    readonly liveMappings: number
    /** Bytes of tree nodes, extents and reverse map that describe pages touched so far. */
    readonly stateBytes: number
  }
}
