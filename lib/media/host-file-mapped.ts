/**
 * Media that is its own cache (mount option zeroCopy): the file of a tmpfs pool is what mappings map.
 *
 * There are no two copies: what a store changes is media. So nothing is ever written back or filled, no line differs,
 * and no snapshot is taken; what is left of the port moves, cuts and notes, which host-file-media.ts does as always.
 *
 *   in the cache     the host has a page there, in memory or swapped out
 *   a hole           no page; but a load of it has to map something, and what userfaultfd can map is a page of the
 *                    file. So it leaves a page of zeroes on media where the file has no block
 *   dropCache        gives back such pages, and nothing else: what has a block is media. Whoever forgets the block map
 *                    (close, power failure, unmount) does that first; for who could not (kill): fs/zero-copy.ts
 *   past EOF         what mappings store behind the end in the last page stays there, as in a block of real pmem, until
 *                    the file grows
 */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { type InodeTable, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { BlockCursor, type BlockMap, type BlockRun, BlockState } from './block-map.js'
import type { HostFileMedia } from './host-file-media.js'
import type { Media } from './media.js'
import type { BadRun } from './page-poison.js'

export class MappedMedia implements Media {
  readonly #pair = new Float64Array(2)
  readonly #block = new BlockCursor()

  constructor(
    private readonly addon: Addon,
    private readonly words: SharedWords,
    private readonly inodes: InodeTable,
    private readonly blocks: BlockMap,
    private readonly host: HostFileMedia,
  ) {}

  writeback(): Errno {
    return 0
  }

  writebackRuns(): Errno {
    return 0
  }

  captureLine(): Errno {
    return 0
  }

  commitLine(): Errno {
    return 0
  }

  diffPage(): Errno {
    return 0
  }

  lineMask(): number {
    return 0
  }

  beginRead(): Errno {
    return 0
  }

  isCached(inode: number, offset: number, length: number): boolean {
    return this.host.isCached(inode, offset, length)
  }

  /** A look at it is enough: where there was no page there is one of zeroes afterwards. */
  fillPage(inode: number, pgoff: number): Errno {
    const offset = pgoff * Page.Size
    if (offset >= this.inodes.sizeOf(inode)) return -ErrorNumber.EFAULT
    return this.addon.touchPages(this.#base(inode) + offset, 1, false) < 0 ? -ErrorNumber.EIO : 0
  }

  fillPages(): Errno {
    return 0
  }

  zeroCache(inode: number, offset: number, length: number): Errno {
    for (let at = offset; at < offset + length;) {
      const step = Math.min(offset + length - at, Page.Size - (at % Page.Size))
      if (this.isCached(inode, at, step) && this.addon.fillMemory(this.#base(inode) + at, 0, step) !== step) {
        return -ErrorNumber.EIO
      }
      at += step
    }
    return 0
  }

  zeroMedia(inode: number, offset: number, length: number): Errno {
    return this.host.zeroMedia(inode, offset, length)
  }

  /** Context: takes ilock. */
  dropCache(inode: number, offset: number, length: number): Errno {
    const end = offset + length
    let error: Errno = 0
    for (let at = offset; at < end && error >= 0;) {
      const found = this.addon.fileExtents(this.#fd(inode), at, end, this.#pair)
      if (found <= 0) return found
      const first = Math.floor((this.#pair[0] as number) / Page.Size)
      const last = Math.ceil((this.#pair[1] as number) / Page.Size)
      error = this.#punchWithoutBlocks(inode, first, last)
      at = last * Page.Size
    }
    return error
  }

  #punchWithoutBlocks(inode: number, first: number, end: number): Errno {
    let error: Errno = 0
    for (let page = first; page < end && error >= 0;) {
      const state = this.#lookup(inode, page)
      const pages = Math.min(this.#block.pages, end - page)
      if (state !== BlockState.Written) error = this.host.punchMedia(inode, page * Page.Size, pages * Page.Size)
      page += pages
    }
    return error
  }

  #lookup(inode: number, page: number): BlockState {
    const at = this.inodes.at(inode)
    mutexLock(this.words, at + InodeWord.Blocks)
    const state = this.blocks.lookup(at + InodeWord.BlockRoot, page, this.#block)
    mutexUnlock(this.words, at + InodeWord.Blocks)
    return state
  }

  punchMedia(inode: number, offset: number, length: number): Errno {
    return this.host.punchMedia(inode, offset, length)
  }

  moveMedia(inode: number, from: number, to: number, length: number): Errno {
    return this.host.moveMedia(inode, from, to, length)
  }

  resizeCache(inode: number, size: number): Errno {
    return this.host.resizeMedia(inode, size)
  }

  resizeMedia(inode: number, size: number): Errno {
    return this.host.resizeMedia(inode, size)
  }

  commitBlocks(inode: number, runs: readonly BlockRun[]): Errno {
    return this.host.commitBlocks(inode, runs)
  }

  uncommitBlocks(inode: number, first: number, end: number): Errno {
    return this.host.uncommitBlocks(inode, first, end)
  }

  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno {
    return this.host.noteBadBlocks(inode, runs)
  }

  syncMedia(inode: number): Errno {
    return this.host.syncMedia(inode)
  }

  #fd(inode: number): number {
    return this.inodes.word(inode, InodeWord.MediaFd)
  }

  #base(inode: number): number {
    return this.inodes.number(inode, InodeWord.CacheBase)
  }
}
