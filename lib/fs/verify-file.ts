/** The checks of one file: its entries, its blocks, and what the cache has of its clean pages. */
import { BugError } from '../assert.js'
import { Page } from '../constants.js'
import { nextKnownBad } from '../dax/bad-blocks.js'
import { collectStores } from '../dax/collect-stores.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import { lockPages, rootOf, unlockPages } from '../dax/grab-entry.js'
import type { Machine } from '../fault/machine.js'
import { BlockState } from '../media/block-map.js'
import { PageOwner } from '../media/page-owners.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Cursor } from '../tree/cursor.js'
import { dumpTree, verifyTree } from '../tree/dump.js'
import { NULL_ENTRY, describeEntry, isData, isLocked, orderOf, pfnOf } from '../tree/entry.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { Mark } from '../tree/root.js'
import { visitPagesWithoutBlocks } from './zero-copy.js'

export interface FileCounts {
  readonly entries: number
  readonly blocks: number
  readonly comparedPages: number
}

const WINDOW_PAGES = 4096

/**
 * Context: frozen, and the whole range of the file held exclusively: nobody works on an entry of it.
 * Errors: BugError.
 */
export function verifyFile(machine: Machine, inode: number): FileCounts {
  lockPages(machine, inode)
  try {
    verifyTree(machine.tree, rootOf(machine, inode))
  } finally {
    unlockPages(machine, inode)
  }
  return {
    entries: verifyEntries(machine, inode),
    blocks: verifyBlocks(machine, inode),
    comparedPages:
      machine.handle.config.zeroCopy === true ? verifyHoles(machine, inode) : verifyCleanPages(machine, inode),
  }
}

/** A failed check, with the file and its tree. */
export function wrong(machine: Machine, inode: number, message: string): never {
  const name = machine.inodes.nameOf(inode)
  throw new BugError(`${name} (inode ${inode}): ${message}`, dumpTree(machine.tree, rootOf(machine, inode)))
}

/** Is the entry over `index` going to be written by a sync? Context: the range is held exclusively. */
export function isDirtyAt(machine: Machine, inode: number, index: number): boolean {
  const root = rootOf(machine, inode)
  return machine.tree.getMark(root, index, Mark.Dirty) || machine.tree.getMark(root, index, Mark.ToWrite)
}

/**
 * Entries are unlocked, inside the file, and data entries name the blocks of the block map. A zero entry may stand
 * over a written block: ext4 writes a short unwritten extent as a whole when one page of it is stored to. That block
 * is zero, or the comparison of clean pages finds it.
 */
function verifyEntries(machine: Machine, inode: number): number {
  const { tree, inodes } = machine
  const root = rootOf(machine, inode)
  const pagesOfFile = inodes.pagesOf(inode)
  const cursor = new Cursor()
  let count = 0
  for (let from = 0; from <= LAST_INDEX && tree.next(root, from, LAST_INDEX, cursor); from = cursor.after()) {
    const { index, entry } = cursor
    const what = `entry ${index} (${describeEntry(entry)})`
    count++
    if (isLocked(entry)) wrong(machine, inode, `${what} is locked and nobody works on it`)
    if (index >= pagesOfFile) wrong(machine, inode, `${what} is past the end, ${pagesOfFile} pages`)
    for (let page = index; isData(entry) && page < cursor.after(); page += machine.blockCursor.pages) {
      const pfn = blockAt(machine, inode, page)
      if (pfn !== pfnOf(entry) + (page - index)) {
        wrong(machine, inode, `${what}: the written block of page ${page} is ${pfn}`)
      }
    }
  }
  return count
}

/** Return: pfn of the written block of a page, 0 for a hole or an unwritten block; how far it goes in blockCursor. */
function blockAt(machine: Machine, inode: number, page: number): number {
  const { words, blocks, blockCursor, inodes } = machine
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const state = blocks.lookup(at + InodeWord.BlockRoot, page, blockCursor)
  mutexUnlock(words, at + InodeWord.Blocks)
  return state === BlockState.Written ? blockCursor.pfn : 0
}

/** Every block is allocated; its owner is the page it backs exactly when that page has a data entry (K54). */
function verifyBlocks(machine: Machine, inode: number): number {
  const { inodes, pfns, tree, unfenced } = machine
  const extent = new ExtentCursor()
  const owner = new PageOwner()
  const root = rootOf(machine, inode)
  let count = 0
  for (let key = 0; unfenced.findFrom(inodes.at(inode) + InodeWord.BlockRoot, key, extent);) {
    const { start, length, value } = extent
    key = start + length
    count += length
    if (!pfns.isAllocated(value, length)) wrong(machine, inode, `blocks ${value} to ${value + length - 1} are free`)
    for (let i = 0; i < length; i++) {
      const owned = pfns.ownerOf(value + i, owner)
      const entry = tree.load(root, start + i)
      const hasData = entry !== NULL_ENTRY && isData(entry)
      if (owned !== hasData) wrong(machine, inode, `block ${value + i} of page ${start + i}: owned ${String(owned)}`)
      if (owned && (owner.mapping !== inode || owner.pgoff !== start + i)) {
        wrong(machine, inode, `block ${value + i} belongs to page ${owner.pgoff} of inode ${owner.mapping}`)
      }
    }
  }
  return count
}

/**
 * What no sync will write must be on media already (S0.8): a page in the cache whose entry is not dirty shows what
 * media has, but for lines that write(2) has put on their way, and what lies past the end.
 */
function verifyCleanPages(machine: Machine, inode: number): number {
  const { inodes, addon } = machine
  const pages = inodes.pagesOf(inode)
  collectStores(machine, inode, 0, LAST_INDEX)
  const resident = new Uint8Array(WINDOW_PAGES)
  let compared = 0
  for (let first = 0; first < pages; first += WINDOW_PAGES) {
    const count = Math.min(WINDOW_PAGES, pages - first)
    const address = inodes.number(inode, InodeWord.CacheBase) + first * Page.Size
    if (addon.residentPages(address, count * Page.Size, resident) < 0) continue
    for (let i = 0; i < count; i++) {
      if (resident[i] === 0 || isDirtyAt(machine, inode, first + i)) continue
      compared++
      verifyCleanPage(machine, inode, first + i)
    }
  }
  return compared
}

/** Where there is one copy there is nothing to compare, but what media has without a block is all zeroes. */
function verifyHoles(machine: Machine, inode: number): number {
  return visitPagesWithoutBlocks(machine, inode, (page, isZero) => {
    if (!isZero) wrong(machine, inode, `page ${page} of media holds bytes and has no written block`)
  })
}

function verifyCleanPage(machine: Machine, inode: number, pgoff: number): void {
  const { media, inodes, tree } = machine
  // Media that cannot be read is not ours to judge; nor what a bad page has lost, of which a sync has told.
  if (media.diffPage(inode, pgoff) <= 0 || nextKnownBad(machine, inode, pgoff, pgoff + 1) >= 0) return
  // No lock keeps a first store away that no fault tells of: it may just have been made.
  collectStores(machine, inode, pgoff, pgoff)
  if (isDirtyAt(machine, inode, pgoff)) return
  const end = Math.floor(inodes.sizeOf(inode) / Page.LineSize)
  const masks = [media.lineMask(0), media.lineMask(1)] as const
  for (let line = 0; line < Page.LinesPerPage; line++) {
    const inFile = pgoff * Page.LinesPerPage + line
    const differs = (((line < 32 ? masks[0] : masks[1]) >>> (line % 32)) & 1) === 1
    if (!differs || inFile >= end || isUnfenced(machine, inode, inFile)) continue
    const entry = tree.load(rootOf(machine, inode), pgoff)
    const what = entry === NULL_ENTRY ? 'no entry' : `${describeEntry(entry)}, order ${orderOf(entry)}`
    wrong(machine, inode, `line ${line} of page ${pgoff} differs from media and nothing says so (${what})`)
  }
}

function isUnfenced(machine: Machine, inode: number, line: number): boolean {
  const { words, inodes, unfenced } = machine
  const at = inodes.at(inode)
  mutexLock(words, at + InodeWord.Blocks)
  const found = unfenced.find(at + InodeWord.UnfencedRoot, line, new ExtentCursor())
  mutexUnlock(words, at + InodeWord.Blocks)
  return found
}
