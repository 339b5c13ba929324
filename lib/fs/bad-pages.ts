/**
 * How far read(2) and write(2) come in a file with bad pages (K107, K108).
 *
 * Both go extent by extent and ask the device for all of what is wanted of one (dax_direct_access). Known errors in it:
 *
 *   read    nothing of that extent is read
 *   write   the device gives less: the pages before the one with the first error, that page included unless its very
 *           first block is the bad one; at least one page. Such a piece with an error in it can be written only whole,
 *           that is from and to the bounds of pages; that repairs it. Else nothing of it is written
 *
 * So what repairs is pages, though errors are counted in blocks of 512 bytes. Errors nobody knows of stop neither: a
 * read comes across them, a write of whole pages puts good bytes in their place.
 */
import { Page } from '../constants.js'
import { mayHaveBadBlocks } from '../dax/bad-blocks.js'
import type { Machine } from '../fault/machine.js'
import { BlockCursor, BlockState } from '../media/block-map.js'
import { BAD_BLOCKS_PER_PAGE } from '../media/page-poison.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'

/** Context: i_rwsem held; takes ilock. Return: how many of the bytes come before an extent that cannot be read. */
export function readableBytes(machine: Machine, inode: number, offset: number, length: number): number {
  if (!mayHaveBadBlocks(machine, inode)) return length
  for (let at = offset; at < offset + length;) {
    const piece = pieceAt(machine, inode, at, offset + length)
    if (piece.firstBad >= 0) return at - offset
    at = piece.end
  }
  return length
}

/** Context: i_rwsem held exclusively; takes ilock. Return: how many of the bytes can be written, from the front. */
export function writableBytes(machine: Machine, inode: number, offset: number, length: number): number {
  if (!mayHaveBadBlocks(machine, inode)) return length
  for (let at = offset; at < offset + length;) {
    const { firstBad, end } = pieceAt(machine, inode, at, offset + length)
    if (firstBad < 0) at = end
    else {
      const pages = Math.max(1, Math.ceil(firstBad / BAD_BLOCKS_PER_PAGE))
      const given = Math.min(end, (Math.floor(at / Page.Size) + pages) * Page.Size)
      const isBad = firstBad < pages * BAD_BLOCKS_PER_PAGE
      if (isBad && (at % Page.Size !== 0 || given % Page.Size !== 0)) return at - offset
      at = given
    }
  }
  return length
}

interface Piece {
  /** Byte of the file at which the extent, or what is wanted, ends. */
  readonly end: number
  /** First known bad block of 512 bytes, counted from the start of the page `at` is in; -1 without one. */
  readonly firstBad: number
}

/** What one extent has of bytes [at, end). */
function pieceAt(machine: Machine, inode: number, at: number, end: number): Piece {
  const { blocks, inodes, pfns, words } = machine
  const page = Math.floor(at / Page.Size)
  const block = new BlockCursor()
  mutexLock(words, inodes.at(inode) + InodeWord.Blocks)
  const state = blocks.lookup(inodes.at(inode) + InodeWord.BlockRoot, page, block)
  mutexUnlock(words, inodes.at(inode) + InodeWord.Blocks)
  const pieceEnd = Math.min(end, (page + block.pages) * Page.Size)
  const last = block.pfn + Math.ceil(pieceEnd / Page.Size) - page
  let firstBad = -1
  for (let pfn = block.pfn; state === BlockState.Written && firstBad < 0 && pfn < last; pfn++) {
    pfn = pfns.nextPoisoned(pfn, last - pfn)
    if (pfn === 0) break
    if (!pfns.isKnownBad(pfn)) continue
    const lowest = 31 - Math.clz32(pfns.badBlocksOf(pfn) & -pfns.badBlocksOf(pfn))
    firstBad = (pfn - block.pfn) * BAD_BLOCKS_PER_PAGE + lowest
  }
  return { end: pieceEnd, firstBad }
}
