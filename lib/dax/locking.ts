/**
 * What keeps faults and truncation apart (D7): one small interface, so that designs can be compared.
 *
 * Three designs were argued over when DAX had no lock that a fault could hold before there was a page (seeds 0 and 3).
 * Each is one file; they answer two questions, and everything else is common code:
 *
 *            fault against fault          fault against truncate         file
 *   inode    whole file, exclusive        whole file, exclusive          inode-locking.ts
 *   range    the pages, exclusive         the pages, exclusive           range-locking.ts
 *   entry    the entry lock               the pages, shared/exclusive    entry-locking.ts
 *
 * Under all three a fault takes the entry lock inside: it is what writeback, invalidate and memory failure meet a fault
 * at, and what carries the wait queue of an entry that changes size. Where the policy keeps faults apart already it is
 * taken without contention, which costs the same under all of them.
 *
 * Protocol of all policies. The lock is outside entry locks (K5) and inside i_rwsem; a thread has at most one. Whoever
 * faults holds none of it: a thread in a system call that copies from or to its own memory holds freeze and i_rwsem
 * only, which no fault takes. So a fault worker that sleeps here sleeps for a worker or for a truncate, and neither
 * waits for a thread that waits for a fault. A worker asks with `maySleep` false first, for its whole batch
 * (fault/serve-batch.ts).
 *
 * A flush of lines by a user thread is none of the kernel's designs' business (a clwb takes no lock); here it reads the
 * cache, so its pages must stay in the file. It takes the lock shared, as a reader of the rwsem would.
 */
import { InodeWord } from '../mm/inode.js'
import type { Kernel } from './kernel.js'

export interface LockingPolicy {
  readonly name: 'entry' | 'range' | 'inode'
  /**
   * Context: outside all entry locks; sleeps only when `maySleep`.
   * Return: false when it would have had to sleep.
   */
  beginFault(kernel: Kernel, inode: number, first: number, last: number, maySleep: boolean): boolean
  /** Context: after beginFault by this thread, no entry lock held; never sleeps. */
  endFault(kernel: Kernel, inode: number): void
  /** Context: outside all entry locks; sleeps while a truncate, or under some policies a fault, has the range. */
  beginFlush(kernel: Kernel, inode: number, first: number, last: number): void
  endFlush(kernel: Kernel, inode: number): void
  /** Context: outside all entry locks, inside i_rwsem; sleeps until faults on the range are over. */
  beginTruncate(kernel: Kernel, inode: number, first: number, last: number): void
  endTruncate(kernel: Kernel, inode: number): void
}

/** Word address of the lock of a file, for the policies. */
export function rangeLockOf(kernel: Kernel, inode: number): number {
  return kernel.inodes.at(inode) + InodeWord.RangeLock
}

/** What policies of ranges have in common: flushes share their range, a truncate has what it cuts alone. */
export const flushAndTruncateByRange: Pick<LockingPolicy, 'beginFlush' | 'endFlush' | 'beginTruncate' | 'endTruncate'> =
  {
    beginFlush(kernel, inode, first, last) {
      kernel.ranges.lockShared(kernel.self, inode, rangeLockOf(kernel, inode), first, last)
    },

    endFlush(kernel, inode) {
      kernel.ranges.unlockShared(kernel.self, inode, rangeLockOf(kernel, inode))
    },

    beginTruncate(kernel, inode, first, last) {
      kernel.ranges.lockExclusive(kernel.self, inode, rangeLockOf(kernel, inode), first, last)
    },

    endTruncate(kernel, inode) {
      kernel.ranges.unlockExclusive(kernel.self, inode, rangeLockOf(kernel, inode))
    },
  }
