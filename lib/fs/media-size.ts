/**
 * Media that is longer than the file.
 *
 * Nobody may write media past i_size, so the size changes first and media is cut last, when much has happened that
 * cannot be taken back. When the host refuses to cut it, the call that wanted it fails, the file has its new size all
 * the same, and the inode owes the cut (InodeFlag.MediaLong): the next sync makes it or fails too, and so does whatever
 * would make the file longer, for the bytes behind the end would come back.
 */
import type { Errno } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'

/** Cut media to i_size. Context: i_rwsem held exclusively, or the Sync mutex. Return: 0 or -errno: the cut is owed. */
export function cutMedia(kernel: Kernel, inode: number): Errno {
  const { inodes, media } = kernel
  const error = media.resizeMedia(inode, inodes.sizeOf(inode))
  if (error < 0) inodes.setFlags(inode, InodeFlag.MediaLong)
  else inodes.clearFlags(inode, InodeFlag.MediaLong)
  return error
}

/** Make a cut that is owed. Context: i_rwsem held, shared will do; takes the Sync mutex. Return: 0 or -errno. */
export function settleMediaSize(kernel: Kernel, inode: number): Errno {
  const { inodes, words } = kernel
  if (!inodes.hasFlags(inode, InodeFlag.MediaLong)) return 0
  const sync = inodes.at(inode) + InodeWord.Sync
  mutexLock(words, sync)
  const error = cutMedia(kernel, inode)
  mutexUnlock(words, sync)
  return error
}
