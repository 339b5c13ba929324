/**
 * The machine that kernel code runs on: all shared structures of a mount and its three ports, as one thread sees them.
 *
 * Nothing here is state: two threads' Kernel objects over the same SharedArrayBuffer are equal but for `self`.
 */
import type { BlockCursor, BlockMap } from '../media/block-map.js'
import type { ExtentTree } from '../tree/extent-tree.js'
import type { Media } from '../media/media.js'
import type { PfnAllocator } from '../media/pfn-allocator.js'
import type { InodeTable } from '../mm/inode.js'
import type { PageTable } from '../mm/page-table.js'
import type { VmaTable } from '../mm/vma.js'
import type { PendingLines } from '../persist/pending-lines.js'
import type { RangeLock } from '../sync/range-lock.js'
import type { SharedWords } from '../sync/shared-words.js'
import type { Threads } from '../sync/threads.js'
import type { WaitTable } from '../sync/wait-table.js'
import type { RadixTree } from '../tree/radix-tree.js'
import type { Slots } from '../mm/slots.js'
import type { TraceRing } from '../trace/trace-ring.js'
import type { CurrentFault } from './fault-context.js'
import type { Flavour } from './flavour.js'
import type { HeldEntry } from './held-entry.js'
import type { LockingPolicy } from './locking.js'
import type { WritebackBatch } from './writeback-batch.js'

export interface Kernel {
  readonly words: SharedWords
  /** Thread record of the calling thread. */
  readonly self: number
  readonly threads: Threads
  readonly waits: WaitTable
  readonly ranges: RangeLock
  readonly inodes: InodeTable
  readonly vmas: VmaTable
  readonly tree: RadixTree
  readonly blocks: BlockMap
  /** Reused for block look-ups of this thread: worthless once ilock is dropped. */
  readonly blockCursor: BlockCursor
  /** What write(2) put on its way and no sync has fenced: line ranges, rooted in each inode. */
  readonly unfenced: ExtentTree
  readonly pfns: PfnAllocator
  readonly pending: PendingLines
  readonly pageTable: PageTable
  readonly media: Media
  readonly locking: LockingPolicy
  /** Page-table model: 2 MiB slots of each mapping. */
  readonly slots: Slots
  readonly trace: TraceRing
  /** Where file systems differ: dax/flavour.ts. */
  readonly flavour: Flavour
  /** Reused for each fault this thread serves. */
  readonly fault: CurrentFault
  /** Where the entry is that this thread has locked: dax/grab-entry.ts. */
  readonly held: HeldEntry
  /** Reused for each sync of this thread. */
  readonly batch: WritebackBatch
  /** 2 MiB faults are tried at all. */
  readonly hugePages: boolean
  /** Pages a load may map, aligned to as many: a power of two; 1: only its own. */
  readonly faultAround: number
}
