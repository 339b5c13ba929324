/**
 * 2 MiB entries over small words: which entry a grab gives, what it waits for, and whom it wakes.
 *
 * The device of the small kernel is shorter than 2 MiB, so these entries are empty or zero ones; D2M entries are in
 * test/fault/huge.test.ts, on real mappings.
 */
import { expect } from 'chai'
import { Page } from '../../../lib/constants.js'
import { serveFault } from '../../../lib/dax/fault.js'
import { grabEntry, grabHugeEntry, lockPages, rootOf, unlockEntry, unlockPages } from '../../../lib/dax/grab-entry.js'
import { insertHole } from '../../../lib/dax/insert-entry.js'
import { deleteEntries, invalidateRange, waitForEntry } from '../../../lib/dax/invalidate.js'
import { ErrorNumber } from '../../../lib/errors.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { SlotState } from '../../../lib/mm/slots.js'
import { FaultKind } from '../../../lib/stats.js'
import { dataEntry, emptyEntry, errnoOf, isErrorEntry, isValue, pfnOf, zeroEntry } from '../../../lib/tree/entry.js'
import { Mark } from '../../../lib/tree/root.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import {
  CAPACITY_PAGES,
  type SmallKernel,
  entryAt,
  mapFile,
  setMark,
  smallKernel,
  visitEntry,
} from '../../support/small-kernel.js'
import { Actor, settle, until } from './actor.js'

const FILE = 1
const OTHER_FILE = 2
const PAGE = 4096
const PMD = Page.PmdPages

describe('dax/huge entries', () => {
  let kernel: SmallKernel
  let actors: Actor[] = []

  beforeEach(() => {
    kernel = smallKernel()
    kernel.inodes.setSize(FILE, 4 * PMD * PAGE)
  })

  afterEach(async () => {
    for (const actor of actors) await actor.stop()
    actors = []
  })

  async function start(count: number): Promise<Actor[]> {
    actors = await Promise.all(Array.from({ length: count }, () => Actor.start(kernel.handle)))
    return actors
  }

  const at = (page: number): string => entryAt(kernel, FILE, page)
  const waiting = (page: number): number => kernel.waits.waiting(FILE, page)
  const pageCount = (): number => kernel.tree.pageCount(rootOf(kernel, FILE))
  const grabHuge = (start_ = 0): number => grabHugeEntry(kernel, FILE, start_, true)

  /** A 2 MiB zero entry, unlocked. */
  function makeHole(page = 0): void {
    const entry = insertHole(kernel, FILE, page, grabHuge(page))
    unlockEntry(kernel, FILE, page, entry)
  }

  describe('grab', () => {
    it('T2, K1, S2.1, B21: 2 MiB without an entry get an empty, locked one that answers for all 512 pages', () => {
      const entry = grabHuge(PMD)
      expect([PMD - 1, PMD, PMD + 259, 2 * PMD - 1, 2 * PMD].map(at)).to.deep.equal([
        'N',
        'E2M+L',
        'E2M+L',
        'E2M+L',
        'N',
      ])
      unlockEntry(kernel, FILE, PMD, entry)
      expect(at(PMD + 7)).to.equal('E2M')
    })

    it('K4: an entry counts as 1 page or 512, and no longer when it is gone', () => {
      unlockEntry(kernel, FILE, 0, grabHuge())
      visitEntry(kernel, FILE, PMD + 3)
      expect(pageCount()).to.equal(PMD + 1)
      deleteEntries(kernel, FILE, 0, 4 * PMD)
      expect(pageCount()).to.equal(0)
    })

    it('T3, K7, K20: an empty or zero 2 MiB entry is locked as it is, and so recycled', () => {
      unlockEntry(kernel, FILE, 0, grabHuge())
      const empty = grabHuge()
      expect(at(0)).to.equal('E2M+L')
      unlockEntry(kernel, FILE, 0, empty)
      makeHole()
      const zero = grabHuge()
      expect(at(511)).to.equal('Z2M+L')
      unlockEntry(kernel, FILE, 0, zero)
    })

    it('T4, S2.3, S2.9, K20, K23, B22: any 4 KiB entry in the range, first or last, is a conflict and stays', () => {
      for (const page of [0, 511]) {
        visitEntry(kernel, FILE, page)
        const answer = grabHuge()
        expect([isErrorEntry(answer), errnoOf(answer)]).to.deep.equal([true, ErrorNumber.EEXIST])
        expect(at(page)).to.equal('E4')
        deleteEntries(kernel, FILE, page, page)
      }
    })

    it('T4, K12: a conflict is found at once, without waiting for the lock of the 4 KiB entry', () => {
      const held = grabEntry(kernel, FILE, 5, true)
      // This thread holds an entry lock: a sleep would be a bug that throws (D4).
      expect(errnoOf(grabHuge())).to.equal(ErrorNumber.EEXIST)
      expect(waiting(0) + waiting(5)).to.equal(0)
      unlockEntry(kernel, FILE, 5, held)
    })

    it('K21: an error is no entry, and no entry looks like an error', () => {
      for (const entry of [emptyEntry(true), zeroEntry(false), dataEntry(1, true), dataEntry(2 ** 28 - 1, false)]) {
        expect([isValue(entry), isErrorEntry(entry)]).to.deep.equal([true, false])
      }
      visitEntry(kernel, FILE, 0)
      expect(isValue(grabHuge())).to.equal(false)
    })

    it('K22: without memory for a node it is ENOMEM and nothing is locked; later it starts from the look-up', () => {
      const taken: number[] = []
      for (let node = kernel.nodePool.allocate(); node !== 0; node = kernel.nodePool.allocate()) taken.push(node)
      expect(errnoOf(grabHuge())).to.equal(ErrorNumber.ENOMEM)
      expect(at(0)).to.equal('N')
      for (const node of taken) kernel.nodePool.free(node)
      // The caller starts again from the look-up: meanwhile there is a 4 KiB entry.
      visitEntry(kernel, FILE, 9)
      expect(errnoOf(grabHuge())).to.equal(ErrorNumber.EEXIST)
    })
  })

  describe('marks and values', () => {
    it('K2: a mark on any page of a 2 MiB entry is a mark of all of it; storing keeps it, removing drops it', () => {
      unlockEntry(kernel, FILE, 0, grabHuge())
      setMark(kernel, FILE, 300, Mark.Dirty)
      expect([0, 511].map(at)).to.deep.equal(['E2M dirty', 'E2M dirty'])
      const entry = grabHuge()
      expect(at(77)).to.equal('E2M+L dirty')
      unlockEntry(kernel, FILE, 0, entry)
      deleteEntries(kernel, FILE, 511, 511)
      unlockEntry(kernel, FILE, 0, grabHuge())
      expect(at(0)).to.equal('E2M')
    })

    it('K3: an entry word is a pfn and four flags, and no flag reaches into the pfn', () => {
      const words = [dataEntry(12345, false), dataEntry(12345, true), zeroEntry(true), emptyEntry(false)]
      expect(new Set(words).size).to.equal(4)
      expect(words.slice(0, 2).map(pfnOf)).to.deep.equal([12345, 12345])
    })

    it('K6: entries of two sizes never overlap, in either order', () => {
      unlockEntry(kernel, FILE, 0, grabHuge())
      lockPages(kernel, FILE)
      expect(() => kernel.tree.store(rootOf(kernel, FILE), 7, 0, emptyEntry(false))).to.throw()
      unlockPages(kernel, FILE)
      expect(at(7)).to.equal('E2M')
    })

    it('S1.9, B50: a dirty 4 KiB entry is never replaced by a 2 MiB one, so its mark cannot be lost', () => {
      visitEntry(kernel, FILE, 3)
      setMark(kernel, FILE, 3, Mark.Dirty)
      setMark(kernel, FILE, 3, Mark.ToWrite)
      expect(isErrorEntry(grabHuge())).to.equal(true)
      expect(at(3)).to.equal('E4 dirty towrite')
    })

    it('T13, K81: invalidating removes a clean 2 MiB entry by any of its pages and unmaps once, after that', () => {
      makeHole()
      const seen: string[] = []
      kernel.ports.onCall = (call) => seen.push(`${call} ${at(0)}`)
      expect(invalidateRange(kernel, FILE, 100, 101)).to.equal(true)
      expect(seen).to.deep.equal(['unmap 1:100+2 N'])
    })

    it('T13, B32: invalidating refuses what is DIRTY, or TOWRITE, and keeps it', () => {
      for (const [start_, mark] of [
        [0, Mark.Dirty],
        [PMD, Mark.ToWrite],
      ] as const) {
        makeHole(start_)
        setMark(kernel, FILE, start_, mark)
        expect(invalidateRange(kernel, FILE, start_ + 9, start_ + 9)).to.equal(false)
        expect(at(start_)).to.match(/^Z2M (dirty|towrite)$/)
      }
    })
  })

  describe('downgrade', () => {
    it('T5, S2.4: a 4 KiB grab over a 2 MiB zero entry unmaps 2 MiB while it is locked, then removes it', () => {
      makeHole(PMD)
      const seen: string[] = []
      kernel.ports.onCall = (call) => seen.push(`${call} ${at(PMD + 5)} pages lock ${pagesLock(kernel)}`)
      const entry = grabEntry(kernel, FILE, PMD + 5, true)
      expect(seen).to.deep.equal([`unmap 1:${PMD}+${PMD} Z2M+L pages lock 0`])
      expect([PMD, PMD + 4, PMD + 5, PMD + 6].map(at)).to.deep.equal(['N', 'N', 'E4+L', 'N'])
      expect(pageCount()).to.equal(1)
      unlockEntry(kernel, FILE, PMD + 5, entry)
    })

    it('T5, K7, B50: an empty 2 MiB entry makes way without an unmap', () => {
      unlockEntry(kernel, FILE, 0, grabHuge())
      visitEntry(kernel, FILE, 8)
      expect(kernel.ports.calls).to.deep.equal([])
      expect([0, 8].map(at)).to.deep.equal(['N', 'E4'])
    })

    it('T5, S2.7: a downgrade that then finds no memory leaves nothing locked', () => {
      makeHole()
      while (kernel.nodePool.allocate() !== 0);
      const answer = grabEntry(kernel, FILE, 3, true)
      if (isErrorEntry(answer)) expect(errnoOf(answer)).to.equal(ErrorNumber.ENOMEM)
      else unlockEntry(kernel, FILE, 3, answer)
      expect(at(3)).to.not.include('+L')
    })

    it('S2.8, S2.12, K10, K11, B24, B50: waiters for pages of 2 MiB share its key; a downgrade wakes all', async () => {
      const vma = mapFile(kernel, FILE)
      const [a, b, c] = (await start(3)) as [Actor, Actor, Actor]
      const held = grabHuge()
      const done = [
        a.run({ kind: 'load', vma, offset: 3 * PAGE }),
        b.run({ kind: 'load', vma, offset: 4 * PAGE }),
        c.run({ kind: 'load', vma, offset: 31 * PAGE }),
      ]
      await until(() => waiting(0) === 3, 'three sleep on the key of the 2 MiB entry')
      expect([3, 4, 31].map(waiting)).to.deep.equal([0, 0, 0])
      unlockEntry(kernel, FILE, 0, insertHole(kernel, FILE, 0, held))
      expect(await Promise.all(done)).to.deep.equal([0, 0, 0])
      expect([3, 4, 31].map(at)).to.deep.equal(['Z4', 'Z4', 'Z4'])
      expect(waiting(0)).to.equal(0)
    })
  })

  describe('waiting', () => {
    it('K13, K15, S2.6: who waited and does not lock passes the wake-up on', async () => {
      const vma = mapFile(kernel, FILE)
      const [a, b] = (await start(2)) as [Actor, Actor]
      const held = grabEntry(kernel, FILE, 3, true)
      // The delete waits first and removes; the load behind it must not sleep for ever on an entry that is gone.
      const first = a.run({ kind: 'delete', inode: FILE, first: 3, last: 3 })
      await until(() => waiting(3) === 1, 'the delete sleeps')
      const second = b.run({ kind: 'load', vma, offset: 3 * PAGE })
      await until(() => waiting(3) === 2, 'the load sleeps behind it')
      unlockEntry(kernel, FILE, 3, held)
      expect(await Promise.all([first, second])).to.have.lengthOf(2)
      expect(waiting(3)).to.equal(0)
    })

    it('K13: waiting for an entry that is not there returns at once', () => {
      waitForEntry(kernel, FILE, 3)
      makeHole()
      waitForEntry(kernel, FILE, 3)
      expect(at(3)).to.equal('Z2M')
    })

    it('S3.9, S4.4, B14: the lock of an entry serialises faults before there is any page', async () => {
      const vma = mapFile(kernel, FILE)
      const [a] = (await start(1)) as [Actor]
      const held = grabEntry(kernel, FILE, 3, true)
      const store = a.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 7 })
      await until(() => waiting(3) === 1, 'the store sleeps')
      await settle()
      expect(kernel.pfns.freePages, 'and has asked for no block').to.equal(CAPACITY_PAGES)
      unlockEntry(kernel, FILE, 3, held)
      await store
      expect(kernel.pfns.freePages).to.equal(CAPACITY_PAGES - 1)
    })
  })

  describe('2 MiB fault', () => {
    let vma: number
    let huge: SmallKernel

    beforeEach(() => {
      vma = mapFile(kernel, FILE, true, 0, 2 * PMD)
      huge = { ...kernel, hugePages: true }
    })

    const slot = (): SlotState => kernel.slots.get(kernel.vmas.addressOf(vma))

    it('T8, K42: a load from 2 MiB of hole leaves a clean Z2M, mapped read-only, and allocates nothing', () => {
      expect(serveFault(huge, vma, 5, 0, true)).to.equal(FaultKind.HugeHoleRead)
      expect([at(0), at(511), at(512)]).to.deep.equal(['Z2M', 'Z2M', 'N'])
      expect(slot()).to.equal(SlotState.HugeRead)
      expect(kernel.pfns.freePages).to.equal(CAPACITY_PAGES)
    })

    it('T8, K42: when the page table cannot take it the fault falls back; the zero entry makes way', () => {
      kernel.pageTable.failure = MEDIA_ERROR
      let during = ''
      kernel.ports.onCall = (call) => {
        if (call.startsWith('map')) during ||= at(0)
      }
      expect(serveFault(huge, vma, 5, 0, true)).to.equal(FaultKind.Failed)
      expect(during, 'the entry was made first').to.equal('Z2M+L')
      expect(at(0), 'and made way').to.equal('N')
      // Nothing was mapped, so there is no table: the next fault may be huge again.
      expect([slot(), at(5)]).to.deep.equal([SlotState.Empty, 'Z4'])
    })

    it('K7: a store for whose 2 MiB there are no blocks leaves an empty entry, whose place 4 KiB takes', () => {
      // FACTS 26: the attempt took what there was, from the start of the 2 MiB on.
      expect(serveFault(huge, vma, 5, 1, true)).to.equal(FaultKind.DataWrite)
      expect(kernel.pfns.freePages).to.equal(0)
      expect(at(5)).to.match(/^D4 pfn \d+ dirty$/)
      expect([at(0), at(511)]).to.deep.equal(['N', 'N'])
    })

    it('K44: nothing larger than 2 MiB is ever mapped; the attempt only shows in the slot of its GiB', () => {
      const address = kernel.vmas.addressOf(vma)
      serveFault(huge, vma, 5, 0, true)
      expect(kernel.slots.touchGib(address), 'it was tried').to.equal(false)
      expect(pageCount()).to.equal(PMD)
    })

    it('S0.11: with 2 MiB faults off everything is 4 KiB', () => {
      expect(serveFault(kernel, vma, 5, 0, true)).to.equal(FaultKind.HoleRead)
      expect([at(5), at(6)]).to.deep.equal(['Z4', 'N'])
    })

    it('S2.2, S3.8: a zero entry names no page: that of every file is the same word', () => {
      serveFault(huge, vma, 5, 0, true)
      const other = mapFile(kernel, OTHER_FILE, true, 0, PMD)
      kernel.inodes.setSize(OTHER_FILE, PMD * PAGE)
      serveFault(huge, other, 7, 0, true)
      const words = [FILE, OTHER_FILE].map((file) => kernel.tree.load(rootOf(kernel, file), 9))
      expect(words).to.deep.equal([zeroEntry(true), zeroEntry(true)])
    })

    it('K5: no port is ever called with the lock of the tree held', () => {
      const locked: string[] = []
      kernel.ports.onCall = (call) => {
        if (pagesLock(kernel) !== 0) locked.push(call)
      }
      serveFault(huge, vma, 5, 0, true)
      serveFault(kernel, vma, 5, 1, true)
      deleteEntries(kernel, FILE, 0, PMD)
      expect(kernel.ports.calls.length).to.be.greaterThan(2)
      expect(locked).to.deep.equal([])
    })
  })
})

/** The word of the mutex over the tree of the file: 0 when it is free. */
function pagesLock(kernel: SmallKernel): number {
  return kernel.words.load(kernel.inodes.at(FILE) + InodeWord.Pages)
}
