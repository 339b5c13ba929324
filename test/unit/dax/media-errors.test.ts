/** Media that fails during writeback, flush and repair: the caller is told, and what was not written stays dirty. */
import { expect } from 'chai'
import { flushRange } from '../../../lib/dax/flush-range.js'
import { insertEntry } from '../../../lib/dax/insert-entry.js'
import { grabHugeEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { memoryFailure } from '../../../lib/dax/memory-failure.js'
import { poisonBlocks, repairBlocks } from '../../../lib/dax/poison-blocks.js'
import { drainUnfenced, dropUnfenced, noteUnfenced } from '../../../lib/dax/unfenced-writes.js'
import { saveAcross, writebackRange } from '../../../lib/dax/writeback.js'
import { ErrorNumber } from '../../../lib/errors.js'
import { BlockState } from '../../../lib/media/block-map.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import { type SmallKernel, entryAt, giveBlock, mapFile, smallKernel } from '../../support/small-kernel.js'

const FILE = 1
const PAGE = 4096
const LAST_INDEX = 2 ** 32 - 1
const NO_SPACE = -ErrorNumber.ENOSPC

describe('dax, when media fails', () => {
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
  })

  /** Return: the pfn. */
  function stored(page: number, byte: number): number {
    const pfn = giveBlock(kernel, FILE, page, 0)
    kernel.pageTable.store(kernel, vma, page * PAGE, byte)
    return pfn
  }

  function onMedia(...pages: number[]): (number | undefined)[] {
    return pages.map((page) => kernel.media.mediaBytes(FILE, page * PAGE, 1)[0])
  }

  /** A 2 MiB entry at page `start`, with a store to `page`. */
  function dirtyHuge(start: number, page: number): void {
    const root = kernel.inodes.at(FILE) + InodeWord.BlockRoot
    const pfn = kernel.blocks.allocateHuge(root, start, BlockState.Written)
    expect(pfn).to.be.above(0)
    const entry = grabHugeEntry(kernel, FILE, start, true)
    const now = insertEntry(kernel, FILE, start, entry, pfn, true)
    kernel.media.fillPage(FILE, page, true)
    kernel.media.cacheBytes(FILE, page * PAGE, 1).fill(page)
    unlockEntry(kernel, FILE, start, now)
  }

  it('a flush that cannot compare, or cannot take its snapshot, is an error', () => {
    stored(3, 7)
    kernel.media.diffPage = () => MEDIA_ERROR
    expect(flushRange(kernel, FILE, 3 * PAGE, 64)).to.equal(MEDIA_ERROR)
    Reflect.deleteProperty(kernel.media, 'diffPage')
    kernel.media.captureLine = () => MEDIA_ERROR
    expect(flushRange(kernel, FILE, 3 * PAGE, 64)).to.equal(MEDIA_ERROR)
    expect(kernel.pending.count).to.equal(0)
    expect(writebackRange(kernel, FILE, 3, 3), 'the store is not lost').to.equal(0)
    expect(onMedia(3)).to.deep.equal([7])
  })

  it('beside a bad page, what can be written is, and what cannot stays dirty', () => {
    const bad = stored(4, 1)
    for (const page of [3, 5]) stored(page, page)
    expect(memoryFailure(kernel, bad)).to.equal(0)
    kernel.media.failure = MEDIA_ERROR
    expect(writebackRange(kernel, FILE, 3, 5)).to.equal(MEDIA_ERROR)
    kernel.media.failure = 0
    for (const page of [3, 5]) expect(entryAt(kernel, FILE, page)).to.match(/ dirty/)
    writebackRange(kernel, FILE, 3, 5)
    expect(onMedia(3, 5)).to.deep.equal([3, 5])
  })

  it('the fence of what write() left keeps a range that it could not write, on either side of a bad page', () => {
    const bad = stored(4, 1)
    for (const page of [3, 4, 5]) {
      kernel.media.fillPage(FILE, page, true)
      kernel.media.cacheBytes(FILE, page * PAGE, PAGE).fill(page)
    }
    expect(memoryFailure(kernel, bad)).to.equal(0)
    for (const [from, page] of [
      [3, 3],
      [4, 5],
    ] as const) {
      noteUnfenced(kernel, FILE, from * PAGE, 2 * PAGE)
      kernel.media.failure = MEDIA_ERROR
      expect(drainUnfenced(kernel, FILE), `from page ${from}`).to.equal(MEDIA_ERROR)
      kernel.media.failure = 0
      expect(onMedia(page)).to.deep.equal([0])
      drainUnfenced(kernel, FILE)
      expect(onMedia(page)).to.deep.equal([page])
    }
  })

  it('what is lost is told, EIO, by a fence that fails elsewhere too; the rest is tried again', () => {
    const bad = stored(4, 1)
    stored(6, 1)
    for (const page of [4, 6]) {
      kernel.media.fillPage(FILE, page, true)
      kernel.media.cacheBytes(FILE, page * PAGE, PAGE).fill(page)
      noteUnfenced(kernel, FILE, page * PAGE, PAGE)
    }
    expect(memoryFailure(kernel, bad)).to.equal(0)
    kernel.media.failure = NO_SPACE
    expect(drainUnfenced(kernel, FILE)).to.equal(-ErrorNumber.EIO)
    expect(drainUnfenced(kernel, FILE), 'told').to.equal(NO_SPACE)
    kernel.media.failure = 0
    expect(drainUnfenced(kernel, FILE)).to.equal(0)
    expect(onMedia(6)).to.deep.equal([6])
  })

  it('what is lost is told, EIO, by a sync that fails elsewhere too; the rest is tried again', () => {
    kernel = smallKernel({ pages: 1024, capacity: 2048 })
    vma = mapFile(kernel, FILE)
    const bad = stored(4, 1)
    dirtyHuge(512, 700)
    expect(memoryFailure(kernel, bad)).to.equal(0)
    kernel.media.failure = NO_SPACE
    expect(writebackRange(kernel, FILE, 0, LAST_INDEX)).to.equal(-ErrorNumber.EIO)
    expect(writebackRange(kernel, FILE, 0, LAST_INDEX), 'told').to.equal(NO_SPACE)
    kernel.media.failure = 0
    expect(writebackRange(kernel, FILE, 0, LAST_INDEX)).to.equal(0)
    expect(onMedia(700)).to.deep.equal([700 & 0xff])
  })

  it('a range smaller than a line has no unfenced lines of its own to forget', () => {
    kernel.media.fillPage(FILE, 3, true)
    kernel.media.cacheBytes(FILE, 3 * PAGE, 64).fill(5)
    noteUnfenced(kernel, FILE, 3 * PAGE, 64)
    expect(dropUnfenced(kernel, FILE, 3 * PAGE + 1, 3 * PAGE + 63)).to.equal(0)
    expect(drainUnfenced(kernel, FILE)).to.equal(0)
    expect(onMedia(3)).to.deep.equal([5])
  })

  it('a 2 MiB entry that reaches beyond what leaves the file is not dropped unsaved', () => {
    kernel = smallKernel({ pages: 512, capacity: 2048 })
    dirtyHuge(0, 9)
    kernel.media.failure = MEDIA_ERROR
    expect(saveAcross(kernel, FILE, 100, 2000)).to.equal(MEDIA_ERROR)
    kernel.media.failure = 0
    expect(saveAcross(kernel, FILE, 100, 2000)).to.equal(0)
    expect(onMedia(9)).to.deep.equal([9])
  })

  it('nothing is across a range that begins past the last page there can be', () => {
    stored(3, 7)
    expect(saveAcross(kernel, FILE, LAST_INDEX + 1, LAST_INDEX)).to.equal(0)
    expect(onMedia(3)).to.deep.equal([0])
  })

  it('errors that cannot be noted are told, and there all the same; where there are none nothing is repaired', () => {
    const pfn = stored(3, 1)
    expect(repairBlocks(kernel, FILE, 0, 100)).to.equal(0)
    kernel.media.failure = MEDIA_ERROR
    expect(poisonBlocks(kernel, FILE, 24, 26, false)).to.equal(MEDIA_ERROR)
    kernel.media.failure = 0
    expect(kernel.pfns.isKnownBad(pfn)).to.equal(true)
    expect(repairBlocks(kernel, FILE, 0, 100)).to.equal(2)
    expect(kernel.pfns.isKnownBad(pfn)).to.equal(false)
  })
})
