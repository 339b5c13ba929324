/**
 * The range lock that was proposed in place of i_mmap_lock in 2015 and never merged (seed 3, S3.5).
 *
 * A fault takes its page exclusively, one that may become a 2 MiB fault all 512 of them; truncate takes what it cuts.
 * So one lock keeps fault from fault and fault from truncate, and disjoint ranges run side by side. Its price is the
 * structure every fault goes through twice: an interval tree under a spinlock there, the slots of the thread records
 * under a mutex here. And it knows pages only: what a fault learns about the entry (size, kind) is not in the lock, so
 * a 4 KiB fault over a 2 MiB entry and a 2 MiB fault on the same bytes need the rule of who asks for which range
 * (dax/fault.ts).
 */
import { type LockingPolicy, flushAndTruncateByRange, rangeLockOf } from './locking.js'

export const rangeLocking: LockingPolicy = {
  name: 'range',
  ...flushAndTruncateByRange,

  beginFault(kernel, inode, first, last, maySleep) {
    const lock = rangeLockOf(kernel, inode)
    if (!maySleep) return kernel.ranges.tryExclusive(kernel.self, inode, lock, first, last)
    kernel.ranges.lockExclusive(kernel.self, inode, lock, first, last)
    return true
  },

  endFault(kernel, inode) {
    kernel.ranges.unlockExclusive(kernel.self, inode, rangeLockOf(kernel, inode))
  },
}
