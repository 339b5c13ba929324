/** fsync, fdatasync and msync (vfs_fsync_range): what is durable when they return. */
import { commitMetadata } from '../dax/commit.js'
import { writebackRange, drainUnfenced } from '../dax/writeback.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import type { Errno } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { InodeFlag } from '../mm/inode.js'
import { Counter } from '../stats.js'

/**
 * Everything stored to pages [first, last] through any mapping, and everything write(2) put into the file, before the
 * call is on media when it returns 0 (S1.1: exactly the dirty entries in range, then one fence).
 *
 * Context: holds no lock; sleeps while entries are locked and over host writes.
 * Return: 0 or the first -errno; what could not be written stays dirty.
 */
export function syncRange(machine: Machine, inode: number, first: number, last: number): Errno {
  machine.threads.count(machine.self, Counter.Syncs, 1)
  const whole = first === 0 && last === LAST_INDEX
  // Cleared before the work: a store that dirties the inode meanwhile is the next sync's.
  if (whole) machine.inodes.clearFlags(inode, InodeFlag.Dirty)
  let error = writebackRange(machine, inode, first, last)
  if (error >= 0) error = drainUnfenced(machine, inode)
  const { syncHost } = machine.handle.config
  if (error >= 0) error = commitMetadata(machine, inode, false)
  if (error >= 0 && syncHost) error = machine.media.syncMedia(inode)
  if (error < 0 && whole) machine.inodes.setFlags(inode, InodeFlag.Dirty)
  return error
}

export function syncFile(machine: Machine, inode: number): Errno {
  return syncRange(machine, inode, 0, LAST_INDEX)
}
