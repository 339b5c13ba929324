/**
 * Memory failure over doubles (seed 4): which entry a page frame leads to, what is done to it under its lock, and what
 * happens when a fault, a sync or a truncate is there first. Real mappings: test/fault/memory-failure.test.ts.
 */
import { expect } from 'chai'
import { Page } from '../../../lib/constants.js'
import { badRunsOf, nextKnownBad } from '../../../lib/dax/bad-blocks.js'
import { flushRange } from '../../../lib/dax/flush-range.js'
import {
  grabEntry,
  grabHugeEntry,
  lockPages,
  releaseEntryLock,
  rootOf,
  unlockEntry,
  unlockPages,
} from '../../../lib/dax/grab-entry.js'
import { disassociate, insertEntry } from '../../../lib/dax/insert-entry.js'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import {
  FailedRange,
  LockedPage,
  lockMappingEntry,
  lockPage,
  memoryFailure,
  unlockMappingEntry,
  unlockPage,
} from '../../../lib/dax/memory-failure.js'
import { poisonBlocks, repairBlocks } from '../../../lib/dax/poison-blocks.js'
import { LOST } from '../../../lib/dax/flush-bytes.js'
import { drainUnfenced, noteUnfenced } from '../../../lib/dax/unfenced-writes.js'
import { writebackRange } from '../../../lib/dax/writeback.js'
import { ErrorNumber } from '../../../lib/errors.js'
import { PageOwner } from '../../../lib/media/page-owners.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { PageSource } from '../../../lib/mm/page-table.js'
import { Wake } from '../../../lib/sync/wait-table.js'
import { NULL_ENTRY, orderOf, unlockedEntry } from '../../../lib/tree/entry.js'
import { Mark } from '../../../lib/tree/root.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import { Pte, Sigbus } from '../../support/model-page-table.js'
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
import { type Actor, SIGBUS, until } from './actor.js'
import { useActors } from './actors.js'

const FILE = 1
const OTHER_FILE = 2
const PAGE = 4096
const PMD = Page.PmdPages
/** Room for a 2 MiB entry, and then some. */
const HUGE_DEVICE = 2 * PMD
const BUSY = -ErrorNumber.EBUSY

describe('dax/memory-failure', () => {
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
  })

  const start = useActors(() => kernel)

  const waiting = (page: number): number => kernel.waits.waiting(FILE, page)
  const at = (page: number): string => entryAt(kernel, FILE, page)
  const pte = (page: number, mapping = vma): number => kernel.pageTable.pte(mapping, page)

  /** A mapped page of the file. Return: its pfn. */
  function stored(page = 3, byte = 7): number {
    const pfn = giveBlock(kernel, FILE, page, 0)
    kernel.pageTable.store(kernel, vma, page * PAGE, byte)
    return pfn
  }

  /** The page leaves its file, in the hands of whoever has its entry locked. */
  function remove(page: number, entry: number): void {
    lockPages(kernel, FILE)
    kernel.tree.store(rootOf(kernel, FILE), page, orderOf(entry), NULL_ENTRY)
    disassociate(kernel, entry)
    releaseEntryLock(kernel)
    unlockPages(kernel, FILE)
  }

  describe('one page', () => {
    it('S4.3, K95, K97: marks the page, then unmaps it everywhere, with its entry locked; the entry stays', () => {
      const other = mapFile(kernel, FILE)
      const copy = mapFile(kernel, FILE, false)
      const pfn = stored()
      for (const mapping of [other, copy]) kernel.pageTable.load(kernel, mapping, 3 * PAGE)
      const seen: [string, string, boolean][] = []
      kernel.ports.take()
      kernel.ports.onCall = (call) => seen.push([call, at(3), kernel.pfns.isPoisoned(pfn)])
      const range = new FailedRange()
      expect(memoryFailure(kernel, pfn, range)).to.equal(0)
      const locked = `D4+L pfn ${pfn} dirty`
      expect(seen).to.deep.equal([
        [`unmap ${FILE}:3+1`, locked, true],
        [`bad-blocks ${FILE}: 24+8`, locked, true],
      ])
      expect(range).to.deep.include({ inode: FILE, first: 3, pages: 1, pgoff: 3 })
      expect([vma, other, copy].map((mapping) => pte(3, mapping))).to.deep.equal([Pte.Absent, Pte.Absent, Pte.Absent])
      expect(at(3), 'value and marks are as they were').to.equal(`D4 pfn ${pfn} dirty`)
    })

    it('K99: loads and stores through shared and private mappings are SIGBUS; a private copy is another page', () => {
      const copied = mapFile(kernel, FILE, false)
      const reader = mapFile(kernel, FILE, false)
      const pfn = stored()
      kernel.pageTable.store(kernel, copied, 3 * PAGE, 9)
      kernel.pageTable.load(kernel, reader, 3 * PAGE)
      memoryFailure(kernel, pfn)
      const { pageTable } = kernel
      expect(() => pageTable.load(kernel, vma, 3 * PAGE)).to.throw(Sigbus)
      expect(() => {
        pageTable.store(kernel, vma, 3 * PAGE, 1)
      }).to.throw(Sigbus)
      expect(() => pageTable.load(kernel, reader, 3 * PAGE)).to.throw(Sigbus)
      expect(() => {
        pageTable.store(kernel, reader, 3 * PAGE, 1)
      }).to.throw(Sigbus)
      expect(pageTable.load(kernel, copied, 3 * PAGE)).to.equal(9)
      expect(at(3), 'a refused fault leaves the entry alone').to.equal(`D4 pfn ${pfn} dirty`)
    })

    it('S4.5, K95: a page that no entry maps is EBUSY, and nothing is marked', () => {
      const unmapped = giveBlock(kernel, FILE, 5, 1)
      const failed = stored(6)
      deleteEntries(kernel, FILE, 6, 6)
      for (const pfn of [unmapped, failed, 0, 511, 513 + kernel.pfns.capacityPages, -1, 2 ** 28]) {
        expect(memoryFailure(kernel, pfn), String(pfn)).to.equal(BUSY)
      }
      expect([unmapped, failed].map((pfn) => kernel.pfns.isPoisoned(pfn))).to.deep.equal([false, false])
      expect(kernel.ports.take().filter((call) => call.startsWith('unmap'))).to.deep.equal([])
    })

    it('S4.5: a failure affects nobody who maps a hole, or another page', () => {
      const pfn = stored()
      stored(5)
      kernel.pageTable.load(kernel, vma, 4 * PAGE)
      memoryFailure(kernel, pfn)
      expect([3, 4, 5].map((page) => pte(page))).to.deep.equal([Pte.Absent, Pte.Protected, Pte.Writable])
      expect(at(4)).to.equal('Z4')
    })

    it('K97: a page that failed before fails again without harm', () => {
      const pfn = stored()
      expect([memoryFailure(kernel, pfn), memoryFailure(kernel, pfn)]).to.deep.equal([0, 0])
      expect(at(3)).to.equal(`D4 pfn ${pfn} dirty`)
    })

    it('T14, K95: lockPage locks and unlockPage unlocks, leaving value and marks', () => {
      const pfn = stored()
      setMark(kernel, FILE, 3, Mark.ToWrite)
      const page = new LockedPage()
      expect(lockPage(kernel, pfn, page)).to.equal(true)
      expect(page).to.deep.include({ inode: FILE, pgoff: 3 })
      expect(at(3)).to.equal(`D4+L pfn ${pfn} dirty towrite`)
      unlockPage(kernel, page)
      expect(at(3)).to.equal(`D4 pfn ${pfn} dirty towrite`)
    })

    it('K96: by index, data is locked; nothing, a hole and an empty entry are success with nothing to unlock', () => {
      const pfn = stored()
      kernel.pageTable.load(kernel, vma, 4 * PAGE)
      visitEntry(kernel, FILE, 5)
      for (const [page, before] of [
        [4, 'Z4'],
        [5, 'E4'],
        [6, 'N'],
      ] as const) {
        const entry = lockMappingEntry(kernel, FILE, page)
        expect([entry, at(page)]).to.deep.equal([NULL_ENTRY, before])
        unlockMappingEntry(kernel, FILE, page, entry)
        expect(at(page)).to.equal(before)
      }
      const entry = lockMappingEntry(kernel, FILE, 3)
      expect(at(3)).to.equal(`D4+L pfn ${pfn} dirty`)
      unlockMappingEntry(kernel, FILE, 3, entry)
      expect(at(3)).to.equal(`D4 pfn ${pfn} dirty`)
    })
  })

  describe('and the other users of a page', () => {
    it('K99: a sync passes over it, writes the rest, is an error once and leaves nothing dirty', () => {
      const pfn = stored(3)
      stored(4, 8)
      stored(6, 9)
      memoryFailure(kernel, pfn)
      memoryFailure(kernel, stored(5, 1))
      expect(writebackRange(kernel, FILE, 0, 9)).to.equal(-ErrorNumber.EIO)
      const media = [3, 4, 5, 6].map((page) => kernel.media.mediaBytes(FILE, page * PAGE, 1)[0])
      expect(media).to.deep.equal([0, 8, 0, 9])
      expect(kernel.inodes.word(FILE, InodeWord.ErrorSequence)).to.equal(1)
      expect(kernel.inodes.word(FILE, InodeWord.ErrorNumber)).to.equal(ErrorNumber.EIO)
      expect([3, 4, 5, 6].every((page) => !at(page).includes('dirty'))).to.equal(true)
      expect(writebackRange(kernel, FILE, 0, 9)).to.equal(0)
    })

    it('K107: the fence of what write() left passes over it too, and forgets it', () => {
      const pfn = stored(3)
      kernel.media.fillPage(FILE, 4, true)
      kernel.media.cacheBytes(FILE, 4 * PAGE, 64).fill(5)
      noteUnfenced(kernel, FILE, 3 * PAGE, 2 * PAGE)
      memoryFailure(kernel, pfn)
      expect(drainUnfenced(kernel, FILE)).to.equal(LOST)
      expect([3, 4].map((page) => kernel.media.mediaBytes(FILE, page * PAGE, 1)[0])).to.deep.equal([0, 5])
      expect(drainUnfenced(kernel, FILE)).to.equal(0)
    })

    it('K97: what was flushed and not fenced goes with it; a failing note does not bring the page back', () => {
      const pfn = stored(3)
      expect(flushRange(kernel, FILE, 3 * PAGE, 64)).to.equal(1)
      kernel.media.failure = MEDIA_ERROR
      expect(memoryFailure(kernel, pfn)).to.equal(MEDIA_ERROR)
      kernel.media.failure = 0
      expect([kernel.pending.count, kernel.pfns.isKnownBad(pfn)]).to.deep.equal([0, true])
      expect(at(3)).to.equal(`D4 pfn ${pfn} dirty`)
      expect(flushRange(kernel, FILE, 3 * PAGE, 64)).to.equal(-ErrorNumber.EIO)
    })

    it('K99: errors put into a file unmap it, latent ones too; the first fault finds those and has them noted', () => {
      const pfn = stored(3)
      kernel.ports.take()
      expect(poisonBlocks(kernel, FILE, 25, 27, true)).to.equal(2)
      expect(kernel.ports.take()).to.deep.equal([`unmap ${FILE}:3+1`, `bad-blocks ${FILE}: 25+2 latent`])
      expect([pte(3), kernel.pfns.isKnownBad(pfn), nextKnownBad(kernel, FILE, 0, 32)]).to.eql([Pte.Absent, false, -1])
      expect(() => kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.throw(Sigbus)
      expect(kernel.ports.take()).to.deep.equal([`bad-blocks ${FILE}: 25+2`, `fail v${vma}:3`])
      expect(nextKnownBad(kernel, FILE, 0, 32)).to.equal(3)
      expect(badRunsOf(kernel, FILE)).to.deep.equal([{ first: 25, count: 2, latent: false }])
      expect(at(3), 'unlocked').to.equal(`D4 pfn ${pfn} dirty`)
    })

    it('K108: a repair makes the page good before it takes the refusals away, with its entry locked', () => {
      const pfn = stored(3)
      poisonBlocks(kernel, FILE, 24, 32, false)
      expect(() => kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.throw(Sigbus)
      const seen: [string, string, boolean][] = []
      kernel.ports.onCall = (call) => seen.push([call, at(3), kernel.pfns.isPoisoned(pfn)])
      expect(repairBlocks(kernel, FILE, 0, 64)).to.equal(8)
      expect(seen).to.deep.equal([[`unmap ${FILE}:3+1`, `D4+L pfn ${pfn} dirty`, false]])
      kernel.ports.onCall = () => undefined
      expect(kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.equal(7)
    })

    it('K108: a repair waits for a fault that is being refused, and takes its mark away', async () => {
      stored(3)
      poisonBlocks(kernel, FILE, 24, 32, false)
      const [reader, repairer] = (await start(2)) as [Actor, Actor]
      const load = await reader.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'fail' })
      const repaired = repairer.run({ kind: 'repair', inode: FILE, first: 24, end: 32 })
      await until(() => waiting(3) === 1, 'the repair sleeps')
      reader.release()
      expect(await repaired).to.equal(8)
      expect(await load.done).to.be.oneOf([SIGBUS, 7])
      expect(kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.equal(7)
    })
  })

  describe('a page of 2 MiB', () => {
    beforeEach(() => {
      kernel = smallKernel({ capacity: HUGE_DEVICE })
      kernel.inodes.setSize(FILE, 2 * PMD * PAGE)
      vma = mapFile(kernel, FILE, true, 0, 2 * PMD)
    })

    /** A dirty D2M entry over the first 512 pages. Return: its first pfn. */
    function makeHuge(): number {
      const pfn = kernel.pfns.allocateRun(PMD, 0)
      const entry = insertEntry(kernel, FILE, 0, grabHugeEntry(kernel, FILE, 0, true), pfn, true)
      unlockEntry(kernel, FILE, 0, entry)
      return pfn
    }

    it('S4.2, S4.5, K97, B27: any of the 512 takes all of them; what was locked is unlocked', () => {
      const pfn = makeHuge()
      const range = new FailedRange()
      for (const page of [0, 1, 259, PMD - 1]) {
        kernel.ports.take()
        expect(memoryFailure(kernel, pfn + page, range), `page ${page}`).to.equal(0)
        expect(kernel.ports.take()[0]).to.equal(`unmap ${FILE}:0+${PMD}`)
        expect(range).to.deep.include({ first: 0, pages: PMD, pgoff: page })
        expect(at(page)).to.equal(`D2M pfn ${pfn} dirty`)
      }
      expect([0, 1, 2, 259].map((page) => kernel.pfns.isPoisoned(pfn + page))).to.deep.equal([true, true, false, true])
    })

    it('B23: each of the 512 pages knows its file and its place in it', () => {
      const pfn = makeHuge()
      const owner = new PageOwner()
      for (let page = 0; page < PMD; page++) {
        expect(kernel.pfns.ownerOf(pfn + page, owner)).to.equal(true)
        expect(owner).to.deep.include({ mapping: FILE, pgoff: page })
      }
      deleteEntries(kernel, FILE, 3, 3)
      expect(kernel.pfns.ownerOf(pfn + 400, owner)).to.equal(false)
      expect(memoryFailure(kernel, pfn + 400)).to.equal(BUSY)
    })

    it('K14: waits on the key of the entry, not of its page', async () => {
      const pfn = makeHuge()
      const [failing] = (await start(1)) as [Actor]
      const entry = grabEntry(kernel, FILE, 0, true)
      const failed = failing.run({ kind: 'fail', pfn: pfn + 300 })
      await until(() => waiting(0) === 1, 'the failure sleeps')
      unlockEntry(kernel, FILE, 0, entry)
      expect(await failed).to.equal(0)
      expect(at(300)).to.equal(`D2M pfn ${pfn} dirty`)
    })
  })

  describe('races', () => {
    it('S4.5: waits for a fault in flight; what that maps is unmapped again', async () => {
      const pfn = giveBlock(kernel, FILE, 3, 9)
      const [reader, failing] = (await start(2)) as [Actor, Actor]
      const load = await reader.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      expect(kernel.pfns.isPoisoned(pfn), 'not marked without the lock').to.equal(false)
      reader.release()
      expect(await load.done, 'the fault came first').to.be.oneOf([9, SIGBUS])
      expect(await failed).to.equal(0)
      expect(pte(3)).to.be.oneOf([Pte.Absent, Pte.Failed])
      expect(() => kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.throw(Sigbus)
    })

    it('S4.5: a fault that comes during a failure waits, then finds the page bad', async () => {
      const pfn = stored()
      const [failing, reader] = (await start(2)) as [Actor, Actor]
      const other = mapFile(kernel, FILE)
      const failed = await failing.runToPause({ kind: 'fail', pfn, pauseAt: 'unmap' })
      const load = reader.run({ kind: 'load', vma: other, offset: 3 * PAGE })
      await until(() => waiting(3) === 1, 'the load sleeps')
      failing.release()
      expect(await failed.done).to.equal(0)
      expect(await load).to.equal(SIGBUS)
      expect(at(3)).to.equal(`D4 pfn ${pfn} dirty`)
    })

    it('S4.5, S4.1: a truncate waits for a failure that has the page; then the page has left the file', async () => {
      const pfn = stored()
      const [failing, truncate] = (await start(2)) as [Actor, Actor]
      const failed = await failing.runToPause({ kind: 'fail', pfn, pauseAt: 'unmap' })
      const deleted = truncate.run({ kind: 'delete', inode: FILE, first: 0, last: FILE_PAGES - 1 })
      await until(() => waiting(3) === 1, 'the truncate sleeps')
      failing.release()
      expect([await failed.done, await deleted]).to.deep.equal([0, 1])
      expect(memoryFailure(kernel, pfn)).to.equal(BUSY)
    })

    it('S4.5, B27: a failure that waited for a page which then left its file is EBUSY and marks nothing', async () => {
      const pfn = stored()
      const [failing] = (await start(1)) as [Actor]
      const entry = grabEntry(kernel, FILE, 3, true)
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      remove(3, entry)
      kernel.waits.wake(FILE, 3, Wake.All)
      expect(await failed).to.equal(BUSY)
      expect(kernel.pfns.isPoisoned(pfn)).to.equal(false)
    })

    it('S4.6, B26: it starts again from the page: the one it waited for may be in another file by then', async () => {
      const pfn = stored()
      const elsewhere = mapFile(kernel, OTHER_FILE)
      const [failing] = (await start(1)) as [Actor]
      const entry = grabEntry(kernel, FILE, 3, true)
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      // The same page in another file before the sleeper is told.
      remove(3, entry)
      lockPages(kernel, OTHER_FILE)
      kernel.tree.store(rootOf(kernel, OTHER_FILE), 7, 0, unlockedEntry(entry))
      kernel.pfns.associate(pfn, OTHER_FILE, 7)
      unlockPages(kernel, OTHER_FILE)
      kernel.media.fillPage(OTHER_FILE, 7, true)
      kernel.pageTable.mapPage(elsewhere, 7, PageSource.Media, true, false)
      kernel.waits.wake(FILE, 3, Wake.All)
      expect(await failed).to.equal(0)
      expect(kernel.pageTable.pte(elsewhere, 7)).to.equal(Pte.Absent)
      expect(kernel.pfns.isPoisoned(pfn)).to.equal(true)
    })

    it('K96: by index too: what was waited for may be a hole by then', async () => {
      stored()
      const [truncate] = (await start(1)) as [Actor]
      const held = grabEntry(kernel, FILE, 3, true)
      const deleted = truncate.run({ kind: 'delete', inode: FILE, first: 3, last: 3 })
      await until(() => waiting(3) === 1, 'the truncate sleeps')
      unlockEntry(kernel, FILE, 3, held)
      const entry = lockMappingEntry(kernel, FILE, 3)
      unlockMappingEntry(kernel, FILE, 3, entry)
      expect(await deleted).to.equal(1)
      expect(lockMappingEntry(kernel, FILE, 3)).to.equal(NULL_ENTRY)
    })

    it('S4.5, B28, K14: it swallows no wake-up: a fault behind it is woken by the same unlock', async () => {
      const pfn = stored()
      kernel.pageTable.forget(vma)
      const [failing, reader] = (await start(2)) as [Actor, Actor]
      const entry = grabEntry(kernel, FILE, 3, true)
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      const load = reader.run({ kind: 'load', vma, offset: 3 * PAGE })
      await until(() => waiting(3) === 2, 'and the load behind it')
      expect(kernel.waits.wake(FILE, 3, Wake.Next), 'the failure uses up no wake-up').to.equal(2)
      await until(() => waiting(3) === 2, 'both find it locked and sleep again')
      unlockEntry(kernel, FILE, 3, entry)
      expect(await failed).to.equal(0)
      expect(await load).to.be.oneOf([7, SIGBUS])
      expect(waiting(3)).to.equal(0)
    })

    it('B28: of two failures of one page that wait, the later one does not wait for the earlier', async () => {
      const pfn = stored()
      const both = (await start(2)) as [Actor, Actor]
      const entry = grabEntry(kernel, FILE, 3, true)
      const failed = both.map((actor) => actor.run({ kind: 'fail', pfn }))
      await until(() => waiting(3) === 2, 'both sleep')
      unlockEntry(kernel, FILE, 3, entry)
      expect(await Promise.all(failed)).to.deep.equal([0, 0])
    })

    it('S4.6, B25: while it waits for one page, others of the file are faulted, stored and deleted', async () => {
      const pfn = stored()
      const [failing, other] = (await start(2)) as [Actor, Actor]
      const entry = grabEntry(kernel, FILE, 3, true)
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      expect(await other.run({ kind: 'store', vma, offset: 5 * PAGE, byte: 1 })).to.equal(1)
      expect(await other.run({ kind: 'delete', inode: FILE, first: 5, last: 5 })).to.equal(1)
      expect(failing.finished).to.equal(0)
      unlockEntry(kernel, FILE, 3, entry)
      expect(await failed).to.equal(0)
    })

    it('S4.4, S4.5: waits for a writeback of the page; the mark and the tags do not meet', async () => {
      const pfn = stored()
      const [sync, failing] = (await start(2)) as [Actor, Actor]
      const synced = await sync.runToPause({ kind: 'sync', inode: FILE, first: 0, last: 9, pauseAt: 'writeback' })
      const failed = failing.run({ kind: 'fail', pfn })
      await until(() => waiting(3) === 1, 'the failure sleeps')
      sync.release()
      expect([await synced.done, await failed]).to.deep.equal([0, 0])
      expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0], 'written while it was good').to.equal(7)
      expect(at(3)).to.equal(`D4 pfn ${pfn}`)
    })
  })
})
