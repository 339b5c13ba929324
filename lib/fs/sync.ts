/** fsync, fdatasync and msync (vfs_fsync_range): what is durable when they return. */
import { commitMetadata } from '../dax/commit.js'
import { writebackRange, drainUnfencedLocked } from '../dax/writeback.js'
import { Page } from '../constants.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import type { Errno } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { Counter } from '../stats.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'

/**
 * Everything stored to pages [first, last] through any mapping, and everything write(2) put into the file, before the
 * call is on media when it returns 0 (S1.1: exactly the dirty entries in range, then one fence).
 *
 * Context: holds no lock; sleeps while entries are locked and over host writes.
 * Return: 0 or the first -errno; what could not be written stays dirty.
 */
export function syncRange(machine: Machine, inode: number, first: number, last: number): Errno {
  recordFlush(machine, inode, first, last)
  machine.threads.count(machine.self, Counter.Syncs, 1)
  const whole = first === 0 && last === LAST_INDEX
  // Cleared before the work: a store that dirties the inode meanwhile is the next sync's.
  if (whole) machine.inodes.clearFlags(inode, InodeFlag.Dirty)
  let error = writebackRange(machine, inode, first, last)
  if (error >= 0) error = drainWrites(machine, inode)
  const { syncHost } = machine.handle.config
  if (error >= 0) error = commitMetadata(machine, inode, false)
  if (error >= 0 && syncHost) error = machine.media.syncMedia(inode)
  if (error < 0 && whole) machine.inodes.setFlags(inode, InodeFlag.Dirty)
  return error
}

/**
 * For a traced mount: what was stored before this record is covered by the sync. Not so when the sync fails: then the
 * fence of a later one covers in the recording what it may not have written.
 */
function recordFlush({ stores, inodes }: Machine, inode: number, first: number, last: number): void {
  if (stores === undefined) return
  const offset = first * Page.Size
  const end = Math.min((last + 1) * Page.Size, Math.ceil(inodes.sizeOf(inode) / Page.LineSize) * Page.LineSize)
  if (end > offset) stores.syncBegun(inode, offset, end - offset)
}

/** The fence, recorded before the next write(2) can come in, which it would not cover. */
function drainWrites(machine: Machine, inode: number): Errno {
  const { words, inodes, stores } = machine
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  readLock(words, rwsem)
  try {
    const error = drainUnfencedLocked(machine, inode)
    if (error >= 0) stores?.syncDone(inode)
    return error
  } finally {
    readUnlock(words, rwsem)
  }
}

export function syncFile(machine: Machine, inode: number): Errno {
  return syncRange(machine, inode, 0, LAST_INDEX)
}
