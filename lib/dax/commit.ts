/**
 * Committing the metadata of a file: which pages have blocks. The host file is the journal: a block that is allocated
 * here and never written is allocated there too, so that a remount finds it.
 *
 * One commit of a file at a time, under its Sync mutex, and whoever frees blocks or takes the file's name away holds
 * that too: an older list of blocks can neither replace a newer one nor bring back what was freed. While a commit runs
 * the file counts as not committed (MetadataCommitting), or a MAP_SYNC store could go ahead of it (K62).
 */
import type { Errno } from '../errors.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { Kernel } from './kernel.js'

/** Context: any. Return: true while a store to a MAP_SYNC mapping has to wait for commitMetadata. */
export function isMetadataDirty(kernel: Kernel, inode: number): boolean {
  const { inodes } = kernel
  return inodes.hasFlags(inode, InodeFlag.MetadataDirty) || inodes.hasFlags(inode, InodeFlag.MetadataCommitting)
}

/**
 * durable: the host's file system must have it on disk too (MAP_SYNC).
 * Context: holds no entry lock; takes the Sync mutex over host calls, and ilock inside it.
 * Return: 0 or -errno; the metadata stays dirty on failure.
 */
export function commitMetadata(kernel: Kernel, inode: number, durable: boolean): Errno {
  if (!isMetadataDirty(kernel, inode)) return 0
  const { inodes, words } = kernel
  const sync = inodes.at(inode) + InodeWord.Sync
  mutexLock(words, sync)
  try {
    if (!inodes.hasFlags(inode, InodeFlag.MetadataDirty)) return 0
    inodes.setFlags(inode, InodeFlag.MetadataCommitting)
    // Cleared before the blocks are read: what is allocated from here on is the next commit's.
    inodes.clearFlags(inode, InodeFlag.MetadataDirty)
    let error = kernel.media.commitBlocks(inode, blocksOf(kernel, inode))
    if (error >= 0 && durable) error = kernel.media.syncMedia(inode)
    if (error < 0) inodes.setFlags(inode, InodeFlag.MetadataDirty)
    return error
  } finally {
    inodes.clearFlags(inode, InodeFlag.MetadataCommitting)
    mutexUnlock(words, sync)
  }
}

function blocksOf(kernel: Kernel, inode: number): ReturnType<Kernel['blocks']['runs']> {
  const at = kernel.inodes.at(inode)
  mutexLock(kernel.words, at + InodeWord.Blocks)
  const runs = kernel.blocks.runs(at + InodeWord.BlockRoot)
  mutexUnlock(kernel.words, at + InodeWord.Blocks)
  return runs
}
