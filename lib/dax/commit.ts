/**
 * Committing the metadata of a file: which pages have blocks. The host file is the journal: a block that is allocated
 * here and never written is allocated there too, so that a remount finds it.
 */
import type { Errno } from '../errors.js'
import { InodeFlag } from '../mm/inode.js'
import type { Kernel } from './kernel.js'

/**
 * durable: the host's file system must have it on disk too (MAP_SYNC, durability 'host').
 * Context: holds no entry lock; host calls. Return: 0 or -errno; the metadata stays dirty on failure.
 */
export function commitMetadata(kernel: Kernel, inode: number, durable: boolean): Errno {
  if (!kernel.inodes.hasFlags(inode, InodeFlag.MetadataDirty)) return 0
  // Cleared first: what is allocated meanwhile is the next commit's.
  kernel.inodes.clearFlags(inode, InodeFlag.MetadataDirty)
  const error = kernel.media.commitBlocks(inode, durable)
  if (error < 0) kernel.inodes.setFlags(inode, InodeFlag.MetadataDirty)
  return error
}
