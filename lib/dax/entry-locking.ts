/**
 * The kernel's design since 4.7 (seed 0), with today's invalidate_lock outside (K5).
 *
 * Faults on one page exclude each other by the entry lock alone: it is there before the page is, and it is one bit in a
 * word that a fault has to read anyway (S0.1, S0.3, S3.9, S4.4). Faults on different pages share nothing but the tree.
 * The lock outside keeps a page in the file while it is being mapped: shared for faults, exclusive for truncate, punch
 * and their like. The kernel has a rwsem of the whole inode there; a range lock lets faults on pages that stay go on.
 */
import { type LockingPolicy, flushAndTruncateByRange, rangeLockOf } from './locking.js'

export const entryLocking: LockingPolicy = {
  name: 'entry',
  ...flushAndTruncateByRange,

  beginFault(kernel, inode, first, last, maySleep) {
    const lock = rangeLockOf(kernel, inode)
    if (!maySleep) return kernel.ranges.tryShared(kernel.self, inode, lock, first, last)
    kernel.ranges.lockShared(kernel.self, inode, lock, first, last)
    return true
  },

  endFault(kernel, inode) {
    kernel.ranges.unlockShared(kernel.self, inode, rangeLockOf(kernel, inode))
  },
}
