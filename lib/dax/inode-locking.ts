/**
 * One rwsem for the whole file, as Linux 4.3 had it: faults took i_mmap_lock exclusively.
 *
 * Why exclusively: a lock that faults share (XFS's MMAPLOCK, today's invalidate_lock) keeps them from truncate and not
 * from each other; two first stores to one page both find a hole, and the second zeroes what the first stored (S3.3,
 * S3.4, B1). Without a lock for each page, shared is not enough, so 4.3 made every fault of a file wait for every other
 * (and deadlocked where an unmap under the lock took it again, B2: here unmapping takes i_mmap, another lock). That
 * faults on different pages stand in line was the reason to look for something finer (S0.1).
 *
 * The rwsem is the range lock over all pages: exclusive ranges that all overlap are served one after the other in the
 * order they came, as the kernel's rwsem hands over to the first in its queue. A rwsem proper would save a scan of the
 * thread records, a tenth of a microsecond of a fault's several.
 */
import { LAST_INDEX } from './invalidate.js'
import { type LockingPolicy, rangeLockOf } from './locking.js'

export const inodeLocking: LockingPolicy = {
  name: 'inode',

  beginFault(kernel, inode, _first, _last, maySleep) {
    const lock = rangeLockOf(kernel, inode)
    if (!maySleep) return kernel.ranges.tryExclusive(kernel.self, inode, lock, 0, LAST_INDEX)
    kernel.ranges.lockExclusive(kernel.self, inode, lock, 0, LAST_INDEX)
    return true
  },

  endFault(kernel, inode) {
    kernel.ranges.unlockExclusive(kernel.self, inode, rangeLockOf(kernel, inode))
  },

  beginFlush(kernel, inode) {
    kernel.ranges.lockShared(kernel.self, inode, rangeLockOf(kernel, inode), 0, LAST_INDEX)
  },

  endFlush(kernel, inode) {
    kernel.ranges.unlockShared(kernel.self, inode, rangeLockOf(kernel, inode))
  },

  beginTruncate(kernel, inode) {
    kernel.ranges.lockExclusive(kernel.self, inode, rangeLockOf(kernel, inode), 0, LAST_INDEX)
  },

  endTruncate(kernel, inode) {
    kernel.ranges.unlockExclusive(kernel.self, inode, rangeLockOf(kernel, inode))
  },
}
