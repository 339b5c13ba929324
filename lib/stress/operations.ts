/** What a stress run counts, and the names of its workloads. */

/** One load, store or system call each. */
export const enum Operation {
  Load = 0,
  Store = 1,
  Read = 2,
  Write = 3,
  Truncate = 4,
  Punch = 5,
  Zero = 6,
  Collapse = 7,
  Insert = 8,
  Allocate = 9,
  CopyRange = 10,
  Msync = 11,
  Fsync = 12,
  Flush = 13,
  Fence = 14,
  Mmap = 15,
  Munmap = 16,
  Advise = 17,
  Open = 18,
  Close = 19,
  Mount = 20,
  Crash = 21,
  Count = 22,
}

/** By number. */
export const OPERATIONS = [
  'load',
  'store',
  'read',
  'write',
  'truncate',
  'punch',
  'zero',
  'collapse',
  'insert',
  'allocate',
  'copy range',
  'msync',
  'fsync',
  'flush',
  'fence',
  'mmap',
  'munmap',
  'madvise',
  'open',
  'close',
  'mount',
  'crash',
] as const

export const WORKLOADS = ['mixed', 'fsx', 'holetest', 'cow-race', 'stale-pmd', 'collision', 'failing'] as const

export type WorkloadName = (typeof WORKLOADS)[number]
