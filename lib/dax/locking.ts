/**
 * What keeps faults and truncation apart (D7): one small interface, so that designs can be compared.
 *
 * `entryLocking` is the kernel's design of today: faults on one page exclude each other by the entry lock alone, and a
 * range lock, shared for faults, exclusive for truncate, punch and their like, keeps a page in the file while it is
 * being mapped (K5: invalidate_lock, outside the entry lock).
 */
import { InodeWord } from '../mm/inode.js'
import type { Kernel } from './kernel.js'

export interface LockingPolicy {
  /**
   * Context: outside all entry locks; sleeps only when `maySleep`.
   * Return: false when it would have had to sleep.
   */
  beginFault(kernel: Kernel, inode: number, first: number, last: number, maySleep: boolean): boolean
  endFault(kernel: Kernel, inode: number): void
  /** Context: outside all entry locks, inside i_rwsem; sleeps until faults on the range are over. */
  beginTruncate(kernel: Kernel, inode: number, first: number, last: number): void
  endTruncate(kernel: Kernel, inode: number): void
}

export const entryLocking: LockingPolicy = {
  beginFault(kernel, inode, first, last, maySleep) {
    const lock = kernel.inodes.at(inode) + InodeWord.RangeLock
    if (!maySleep) return kernel.ranges.tryShared(kernel.self, inode, lock, first, last)
    kernel.ranges.lockShared(kernel.self, inode, lock, first, last)
    return true
  },

  endFault(kernel, inode) {
    kernel.ranges.unlockShared(kernel.self, kernel.inodes.at(inode) + InodeWord.RangeLock)
  },

  beginTruncate(kernel, inode, first, last) {
    const lock = kernel.inodes.at(inode) + InodeWord.RangeLock
    kernel.ranges.lockExclusive(kernel.self, inode, lock, first, last)
  },

  endTruncate(kernel, inode) {
    kernel.ranges.unlockExclusive(kernel.self, kernel.inodes.at(inode) + InodeWord.RangeLock)
  },
}
