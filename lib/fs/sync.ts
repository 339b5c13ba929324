/** fsync, fdatasync and msync (vfs_fsync_range): what is durable when they return. */
import { Page } from '../constants.js'
import { commitMetadata } from '../dax/commit.js'
import { LOST } from '../dax/flush-bytes.js'
import { drainUnfencedLocked } from '../dax/unfenced-writes.js'
import { saveRange } from '../dax/writeback.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import type { StoreTrace } from '../persist/store-trace.js'
import { Counter } from '../stats.js'
import { settleMediaSize } from './media-size.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'

/** A kernel that knows whether a sync goes on to the host's disk, and who records it: a mount does. */
export interface SyncingKernel extends Kernel {
  readonly stores?: StoreTrace | undefined
  readonly handle: { readonly config: { readonly syncHost: boolean } }
}

/**
 * Everything stored to pages [first, last] through any mapping, and everything write(2) put into the file, before the
 * call is on media when it returns 0 (S1.1: exactly the dirty entries in range, then one fence).
 *
 * Context: holds no lock; sleeps while entries are locked and over host writes.
 * Return: 0 or the first -errno; what could not be written stays dirty. -EIO when pages went bad with stores in them:
 * these are lost, the rest is written.
 */
export function syncRange(kernel: SyncingKernel, inode: number, first: number, last: number): Errno {
  recordFlush(kernel, inode, first, last)
  kernel.threads.count(kernel.self, Counter.Syncs, 1)
  const whole = first === 0 && last === LAST_INDEX
  // Cleared before the work: a store that dirties the inode meanwhile is the next sync's.
  if (whole) kernel.inodes.clearFlags(inode, InodeFlag.Dirty)
  const saved = saveRange(kernel, inode, first, last)
  // What is lost is lost at once: one sync tells of all of it, and everything else is written.
  const drained = saved >= 0 || saved === LOST ? drainWrites(kernel, inode) : 0
  const lost = saved === LOST || drained === LOST
  let error = saved < 0 && saved !== LOST ? saved : drained === LOST ? 0 : drained
  const { syncHost } = kernel.handle.config
  if (error >= 0) error = commitMetadata(kernel, inode, false)
  if (error >= 0 && syncHost) error = kernel.media.syncMedia(inode)
  if (error >= 0 && lost) error = -ErrorNumber.EIO
  if (error < 0 && whole && !lost) kernel.inodes.setFlags(inode, InodeFlag.Dirty)
  return error
}

/**
 * For a traced mount: what was stored before this record is covered by the sync. Not so when the sync fails: then the
 * fence of a later one covers in the recording what it may not have written.
 */
function recordFlush({ stores, inodes }: SyncingKernel, inode: number, first: number, last: number): void {
  if (stores === undefined) return
  const offset = first * Page.Size
  const end = Math.min((last + 1) * Page.Size, Math.ceil(inodes.sizeOf(inode) / Page.LineSize) * Page.LineSize)
  if (end > offset) stores.syncBegun(inode, offset, end - offset)
}

/** The fence, recorded before the next write(2) can come in, which it would not cover. And a cut that is owed. */
function drainWrites(kernel: SyncingKernel, inode: number): Errno {
  const { words, inodes, stores } = kernel
  const rwsem = inodes.at(inode) + InodeWord.Rwsem
  readLock(words, rwsem)
  try {
    const settled = settleMediaSize(kernel, inode)
    if (settled < 0) return settled
    const error = drainUnfencedLocked(kernel, inode)
    if (error >= 0) stores?.syncDone(inode)
    return error
  } finally {
    readUnlock(words, rwsem)
  }
}

export function syncFile(kernel: SyncingKernel, inode: number): Errno {
  return syncRange(kernel, inode, 0, LAST_INDEX)
}
