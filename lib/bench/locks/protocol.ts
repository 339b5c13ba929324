/** What the measuring thread and the threads that fault tell each other. */
import type { MountHandle } from '../../fs/pmem.js'

export type LockCase = 'disjoint' | 'overlap' | 'truncate' | 'punch' | 'slow' | 'slow-same'

export const FILE = 'locks.pm'
/** Faults of each thread before the clock starts: compiled code, warm caches. */
export const WARM_PAGES = 256

/** Words of the shared control block. */
export const enum Control {
  /** Threads that are warm and wait. */
  Ready = 0,
  /** 1: the clock runs. */
  Go = 1,
  /** Threads that have made their last access. */
  Done = 2,
  Words = 4,
}

export interface ThreadTask {
  readonly handle: MountHandle
  readonly control: SharedArrayBuffer
  readonly thread: number
  readonly threads: number
  readonly perThread: number
  /** All threads touch the same pages. */
  readonly shared: boolean
  /** Pages are dropped from the page table before each access, and touched again and again. */
  readonly drops: boolean
  readonly seed: number
}

/** Times in ms. */
export interface ThreadReport {
  readonly latencies: Float64Array
  readonly start: number
  readonly end: number
  readonly hash: number
}

/** What the first word of a page of the file is. */
export function pattern(page: number, seed: number): number {
  return Math.imul(page + 1, 0x9e3779b1) ^ seed
}
