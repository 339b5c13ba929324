/** lseek SEEK_DATA and SEEK_HOLE on the block map (iomap_seek_data, iomap_seek_hole). */
import { Page } from '../constants.js'
import { lockPages, rootOf, unlockPages } from '../dax/grab-entry.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { BlockState } from '../media/block-map.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Cursor } from '../tree/cursor.js'

/**
 * First offset at or after `offset` that is data, or a hole. Everything written is data; of unwritten blocks, those
 * that were read through a mapping are, because their zero-page entry counts as page cache (FACTS 17). EOF is a hole.
 *
 * Context: takes ilock and i_pages. Return: the offset; -ENXIO at or past EOF, or when no data follows.
 */
export function seekFile(machine: Machine, inode: number, offset: number, whence: 'data' | 'hole'): Errno {
  const size = machine.inodes.sizeOf(inode)
  if (offset < 0 || offset >= size) return -ErrorNumber.ENXIO
  for (let at = offset; at < size;) {
    const { data, end } = runAt(machine, inode, Math.floor(at / Page.Size))
    if (data === (whence === 'data')) return at
    at = end * Page.Size
  }
  return whence === 'data' ? -ErrorNumber.ENXIO : size
}

/** Is the page data, and up to which page does the same go on? */
function runAt(machine: Machine, inode: number, page: number): { data: boolean; end: number } {
  const { words, blocks, blockCursor, inodes } = machine
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const state = blocks.lookup(at + InodeWord.BlockRoot, page, blockCursor)
  const end = page + blockCursor.pages
  mutexUnlock(words, at + InodeWord.Blocks)
  if (state !== BlockState.Unwritten) return { data: state === BlockState.Written, end }
  const cursor = new Cursor()
  lockPages(machine, inode)
  const found = machine.tree.next(rootOf(machine, inode), page, end - 1, cursor)
  unlockPages(machine, inode)
  if (!found) return { data: false, end }
  if (cursor.index > page) return { data: false, end: cursor.index }
  return { data: true, end: Math.min(end, cursor.after()) }
}
