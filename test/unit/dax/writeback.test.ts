/** Writeback over doubled ports: the order of K70 and what each step of it leaves for whoever looks meanwhile. */
import { expect } from 'chai'
import { deleteEntries, invalidateRange } from '../../../lib/dax/invalidate.js'
import { flushRange } from '../../../lib/dax/flush-range.js'
import { grabEntry, rootOf } from '../../../lib/dax/grab-entry.js'
import { insertEntry } from '../../../lib/dax/insert-entry.js'
import { drainUnfenced, noteUnfenced } from '../../../lib/dax/unfenced-writes.js'
import { writebackRange } from '../../../lib/dax/writeback.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { Mark } from '../../../lib/tree/root.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import { Pte } from '../../support/model-page-table.js'
import {
  FILE_PAGES,
  type SmallKernel,
  entryAt,
  giveBlock,
  mapFile,
  setMark,
  smallKernel,
  visitEntry,
} from '../../support/small-kernel.js'

const FILE = 1
const PAGE = 4096
const LAST = FILE_PAGES - 1
const EIO = -5

describe('dax/writeback', () => {
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
  })

  function store(page: number, byte: number): void {
    kernel.pageTable.store(kernel, vma, page * PAGE, byte)
  }

  function onMedia(page: number): number {
    return kernel.media.mediaBytes(FILE, page * PAGE, 1)[0] as number
  }

  it('K70, T11, S0.8, B10: protect, then flush, then clear DIRTY; locked all the way, TOWRITE cleared first', () => {
    store(3, 7)
    kernel.ports.take()
    const seen: string[] = []
    kernel.ports.onCall = (call) => {
      const marks = entryAt(kernel, FILE, 3).replace(/ pfn \d+/, '')
      seen.push(`${call.split(' ')[0] ?? ''}: ${marks}, pte ${kernel.pageTable.pte(vma, 3)}, media ${onMedia(3)}`)
    }
    expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(0)
    expect(seen).to.deep.equal([
      `protect: D4+L dirty, pte ${Pte.Writable}, media 0`,
      `writeback: D4+L dirty, pte ${Pte.Protected}, media 0`,
    ])
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+$/)
    expect(onMedia(3)).to.equal(7)
  })

  it('K70: every mapping of the page is protected, whatever its offset; private copies are not touched', () => {
    const shifted = mapFile(kernel, FILE, true, 2, 4)
    const copy = mapFile(kernel, FILE, false)
    kernel.pageTable.store(kernel, copy, 3 * PAGE, 5)
    store(3, 7)
    kernel.pageTable.store(kernel, shifted, 3 * PAGE + 1, 8)
    writebackRange(kernel, FILE, 3, 3)
    expect([vma, shifted, copy].map((id) => kernel.pageTable.pte(id, 3))).to.deep.equal([
      Pte.Protected,
      Pte.Protected,
      Pte.Copy,
    ])
    kernel.pageTable.store(kernel, shifted, 3 * PAGE + 1, 9)
    expect(entryAt(kernel, FILE, 3), 'dirty again by the store after').to.match(/ dirty$/)
  })

  it('S1.1: exactly the dirty entries in range are flushed, by line', () => {
    for (const page of [1, 2, 4, 9]) store(page, page)
    kernel.pageTable.load(kernel, vma, 3 * PAGE)
    writebackRange(kernel, FILE, 2, 4)
    expect([1, 2, 3, 4, 9].map(onMedia)).to.deep.equal([0, 2, 0, 4, 0])
    expect(kernel.media.linesWritten).to.equal(2)
    expect(entryAt(kernel, FILE, 1)).to.match(/ dirty$/)
    expect(entryAt(kernel, FILE, 9)).to.match(/ dirty$/)
    expect(entryAt(kernel, FILE, 2)).to.match(/^D4 pfn \d+$/)
  })

  it('S1.1: a file without dirt costs no port call', () => {
    kernel.pageTable.load(kernel, vma, 3 * PAGE)
    kernel.ports.take()
    expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(0)
    expect(kernel.ports.calls).to.deep.equal([])
  })

  it('S1.2: entries stay', () => {
    for (const page of [1, 2, 4]) store(page, page)
    kernel.pageTable.load(kernel, vma, 9 * PAGE)
    const before = kernel.tree.entryCount(rootOf(kernel, FILE))
    writebackRange(kernel, FILE, 0, LAST)
    expect(before).to.equal(4)
    expect(kernel.tree.entryCount(rootOf(kernel, FILE))).to.equal(before)
  })

  it('K73, B10 stays mended: a page that was flushed and not stored to again is not flushed again', () => {
    store(3, 7)
    writebackRange(kernel, FILE, 0, LAST)
    kernel.ports.take()
    writebackRange(kernel, FILE, 0, LAST)
    expect(kernel.ports.calls).to.deep.equal([])
  })

  it('S1.11: a dirty zero or empty entry is an error, not a crash, and stays to be seen', () => {
    kernel.pageTable.load(kernel, vma, 3 * PAGE)
    setMark(kernel, FILE, 3, Mark.Dirty)
    expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(EIO)
    expect(entryAt(kernel, FILE, 3)).to.equal('Z4 dirty towrite')
    visitEntry(kernel, FILE, 20)
    setMark(kernel, FILE, 20, Mark.Dirty)
    expect(writebackRange(kernel, FILE, 20, 20)).to.equal(EIO)
    expect(kernel.inodes.word(FILE, InodeWord.ErrorSequence)).to.equal(2)
  })

  it('S1.11: a media error leaves the entry dirty and unlocked, and is remembered for every open file', () => {
    store(3, 7)
    kernel.media.failure = MEDIA_ERROR
    expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(EIO)
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+ dirty$/)
    expect(kernel.inodes.word(FILE, InodeWord.ErrorSequence)).to.equal(1)
    kernel.media.failure = 0
    expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(0)
    expect(onMedia(3)).to.equal(7)
  })

  it('S1.12: block size is page size by construction: a block that does not match its entry is refused loudly', () => {
    // The kernel refuses file systems with other block sizes at run time; here no such inode can be made.
    const pfn = giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.load(kernel, vma, 3 * PAGE)
    const entry = grabEntry(kernel, FILE, 3, true)
    expect(() => insertEntry(kernel, FILE, 3, entry, pfn + 1, true)).to.throw('the block moved')
  })

  describe('write(2) and the fence', () => {
    /** What write(2) does to the cache, without the system call. */
    function write(page: number, byte: number): void {
      kernel.media.fillPage(FILE, page, true)
      kernel.media.cacheBytes(FILE, page * PAGE, 64).fill(byte)
      noteUnfenced(kernel, FILE, page * PAGE, 64)
    }

    it('K74: written bytes need only the fence: no entry, no mark, no protection', () => {
      giveBlock(kernel, FILE, 3, 0)
      write(3, 5)
      kernel.ports.take()
      expect(writebackRange(kernel, FILE, 0, LAST)).to.equal(0)
      expect(onMedia(3), 'not fenced yet').to.equal(0)
      expect(drainUnfenced(kernel, FILE)).to.equal(0)
      expect(onMedia(3)).to.equal(5)
      expect(kernel.ports.calls).to.deep.equal([`writeback 1:${3 * PAGE}+64`])
      expect(entryAt(kernel, FILE, 3)).to.equal('N')
      kernel.ports.take()
      drainUnfenced(kernel, FILE)
      expect(kernel.ports.calls, 'once').to.deep.equal([])
    })

    it('K74: a range whose media write failed is written by the next sync', () => {
      giveBlock(kernel, FILE, 3, 0)
      write(3, 5)
      kernel.media.failure = MEDIA_ERROR
      expect(drainUnfenced(kernel, FILE)).to.equal(EIO)
      kernel.media.failure = 0
      expect(drainUnfenced(kernel, FILE)).to.equal(0)
      expect(onMedia(3)).to.equal(5)
    })
  })

  describe('flush by line', () => {
    it('S1.3: a flush leaves DIRTY, so that a later sync still finds the page', () => {
      store(3, 7)
      expect(flushRange(kernel, FILE, 3 * PAGE, 1)).to.equal(1)
      expect(onMedia(3), 'no fence yet').to.equal(0)
      expect(kernel.pending.fence(kernel.self)).to.equal(0)
      expect(onMedia(3)).to.equal(7)
      expect(entryAt(kernel, FILE, 3)).to.match(/ dirty$/)
      expect(kernel.pageTable.pte(vma, 3)).to.equal(Pte.Writable)
    })

    it('S1.4: pages that were only loaded are not looked at', () => {
      giveBlock(kernel, FILE, 3, 9)
      kernel.pageTable.load(kernel, vma, 3 * PAGE)
      expect(flushRange(kernel, FILE, 0, FILE_PAGES * PAGE)).to.equal(0)
    })

    it('S1.3: a flush never looks at a page that is dirty but not filled yet', () => {
      giveBlock(kernel, FILE, 3, 9)
      let flushed = -1
      kernel.ports.onCall = (call) => {
        // The fault has set DIRTY and is about to fill the cache: as another thread's flush might find it.
        if (call.startsWith('map') && flushed < 0) flushed = flushFromOutside(kernel)
      }
      store(3, 7)
      expect(flushed).to.equal(0)
      expect(kernel.pageTable.load(kernel, vma, 3 * PAGE + 1)).to.equal(9)
    })
  })

  describe('delete and invalidate', () => {
    it('T12, K80, B40: delete removes entries whatever their marks', () => {
      store(3, 7)
      setMark(kernel, FILE, 3, Mark.ToWrite)
      kernel.pageTable.load(kernel, vma, 4 * PAGE)
      visitEntry(kernel, FILE, 5)
      store(6, 1)
      expect(deleteEntries(kernel, FILE, 3, 5)).to.equal(3)
      expect([3, 4, 5].map((page) => entryAt(kernel, FILE, page))).to.deep.equal(['N', 'N', 'N'])
      expect(entryAt(kernel, FILE, 6)).to.match(/ dirty$/)
    })

    it('K106, B5, B9: invalidate keeps what is DIRTY or TOWRITE and says so', () => {
      store(3, 7)
      giveBlock(kernel, FILE, 4, 1)
      kernel.pageTable.load(kernel, vma, 4 * PAGE)
      setMark(kernel, FILE, 4, Mark.ToWrite)
      kernel.pageTable.load(kernel, vma, 5 * PAGE)
      expect(invalidateRange(kernel, FILE, 3, 5)).to.equal(false)
      expect(entryAt(kernel, FILE, 3)).to.match(/ dirty$/)
      expect(entryAt(kernel, FILE, 4)).to.match(/ towrite$/)
      expect(entryAt(kernel, FILE, 5)).to.equal('N')
      expect(invalidateRange(kernel, FILE, 5, 9)).to.equal(true)
    })

    it('K104, B12: entries go before mappings, and the range is unmapped once', () => {
      for (const page of [3, 4]) kernel.pageTable.load(kernel, vma, page * PAGE)
      kernel.ports.take()
      const seen: string[] = []
      kernel.ports.onCall = (call) => seen.push(`${call} ${entryAt(kernel, FILE, 3)} ${entryAt(kernel, FILE, 4)}`)
      invalidateRange(kernel, FILE, 3, 4)
      expect(seen).to.deep.equal(['unmap 1:3+2 N N'])
    })

    it('K82: dropping page tables, as memory pressure would, removes no entry', () => {
      // The kernel's invalidate_mapping_pages has no counterpart: nothing here reclaims entries.
      store(3, 7)
      kernel.pageTable.forget(vma)
      kernel.pageTable.unmapPages(FILE, 0, FILE_PAGES)
      expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+ dirty$/)
      writebackRange(kernel, FILE, 0, LAST)
      expect(onMedia(3)).to.equal(7)
    })
  })
})

/** flushRange as a second thread record sees it: the first one is inside a fault and holds its range. */
function flushFromOutside(kernel: SmallKernel): number {
  const other = { ...kernel, self: kernel.threads.attach(0) }
  const flushed = flushRange(other, FILE, 0, FILE_PAGES * PAGE)
  kernel.threads.detach(other.self)
  return flushed
}
