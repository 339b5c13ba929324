import { expect } from 'chai'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { BugError } from '../../../lib/assert.js'
import { PFN_LIMIT } from '../../../lib/constants.js'
import { PageOwner } from '../../../lib/media/page-owners.js'
import { PagePoison } from '../../../lib/media/page-poison.js'
import { FIRST_PFN, PfnAllocator } from '../../../lib/media/pfn-allocator.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'
import { seedFor } from '../../support/seed.js'
import { deviceFixture } from './device-fixture.js'

const ENOSPC = -28

describe('media/pfn-allocator', () => {
  describe('capacity', () => {
    for (const capacity of [1, 7, 511, 512, 513, 1500]) {
      it(`hands out each of ${capacity} pages once, then 0`, () => {
        const { pfns } = deviceFixture(capacity)
        const seen = new Set<number>()
        for (let page = 0; page < capacity; page++) seen.add(pfns.allocate((page * 37) % 512))
        expect(seen.size).to.equal(capacity)
        expect(Math.min(...seen)).to.equal(FIRST_PFN)
        expect(Math.max(...seen)).to.equal(FIRST_PFN + capacity - 1)
        expect([pfns.freePages, pfns.allocate(0), pfns.allocate(600)]).to.deep.equal([0, 0, 0])
        pfns.verify()
        pfns.free(FIRST_PFN, capacity)
        expect(pfns.freePages).to.equal(capacity)
        pfns.verify()
      })
    }

    it('counts reserved pages as used', () => {
      const { pfns } = deviceFixture(10)
      expect(pfns.reserve(8)).to.equal(0)
      expect(pfns.reserve(3)).to.equal(ENOSPC)
      expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([2, 8])
      expect(pfns.allocate(0)).to.not.equal(0)
      expect(pfns.allocate(0)).to.not.equal(0)
      expect(pfns.allocate(0), 'the rest is promised').to.equal(0)
      const promised = pfns.allocateReserved(0)
      expect(promised).to.not.equal(0)
      expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([0, 7])
      pfns.freeReserved(promised, 1)
      expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([0, 8])
      pfns.unreserve(8)
      expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([8, 0])
      pfns.verify()
      expect(() => pfns.unreserve(1)).to.throw(BugError)
      expect(() => pfns.allocateReserved(0)).to.throw(BugError)
      expect(pfns.allocate(0), 'the mutex is free again').to.not.equal(0)
    })

    it('refuses more pages than an entry word can name', () => {
      const words = new AtomicWords(new SharedArrayBuffer(64))
      expect(() => new PfnAllocator(words, 0, PFN_LIMIT - FIRST_PFN + 1)).to.throw(BugError)
      expect(() => new PfnAllocator(words, 0, 0)).to.throw(BugError)
      expect(() => new PfnAllocator(words, 0, 512)).to.throw(BugError, 'outside the shared words')
    })
  })

  describe('placement', () => {
    it('takes the goal when it is free', () => {
      const { pfns } = deviceFixture(2048)
      expect(pfns.allocate(1000)).to.equal(1000)
      expect(pfns.allocate(1001)).to.equal(1001)
      expect(pfns.allocate(999)).to.equal(999)
    })

    it('else takes the offset in a wholly free group', () => {
      const { pfns } = deviceFixture(2048)
      expect(pfns.allocate(1000)).to.equal(1000)
      const other = pfns.allocate(1000)
      expect(other % 512).to.equal(1000 % 512)
      expect(Math.floor(other / 512)).to.not.equal(1)
      expect(pfns.allocate(1000, 3) % 512, 'an offset of its own').to.equal(3)
      expect(pfns.allocate(77) % 512, 'a goal that only says the offset').to.equal(77)
      expect(pfns.allocate(4000), 'past the end, no free group left').to.not.equal(0)
    })

    it('goes on from where it last placed a page, so that a growing file gets neighbouring groups', () => {
      const { pfns } = deviceFixture(2048)
      const first = pfns.allocate(0)
      expect(pfns.allocate(0)).to.equal(1024)
      pfns.free(first, 1)
      expect(pfns.allocate(0)).to.equal(1536)
      expect(pfns.allocate(0)).to.equal(2048)
      expect(pfns.allocate(0)).to.equal(first)
    })

    it('else takes any page', () => {
      const { pfns } = deviceFixture(1024)
      const first = pfns.allocate(5)
      const second = pfns.allocate(5)
      expect(Math.abs(first - second)).to.equal(512)
      const third = pfns.allocate(5)
      expect(third).to.not.equal(0)
      expect([first, second]).to.not.include(third)
    })

    it('uses a group that is shorter than 512 pages', () => {
      const { pfns } = deviceFixture(512 + 100)
      expect(pfns.allocateRun(512, 0)).to.equal(FIRST_PFN)
      expect(pfns.allocate(99)).to.equal(2 * 512 + 99)
      expect(pfns.allocate(100)).to.equal(2 * 512)
      pfns.verify()
    })
  })

  describe('runs', () => {
    it('are aligned, contiguous and at the goal when that is possible', () => {
      const { pfns } = deviceFixture(4 * 512)
      expect(pfns.allocateRun(512, 0, 1024)).to.equal(1024)
      expect(pfns.allocateRun(512, 0, 1024) % 512).to.equal(0)
      expect(pfns.allocateRun(100, 412) % 512).to.equal(412)
      pfns.verify()
    })

    it('fit into groups in use, but never across two', () => {
      const { pfns } = deviceFixture(2 * 512)
      pfns.allocate(512)
      pfns.allocate(1024)
      expect(pfns.allocateRun(512, 0)).to.equal(0)
      expect(pfns.allocateRun(511, 1, 512 + 300)).to.be.oneOf([513, 1025])
      expect(pfns.allocateRun(511, 1)).to.not.equal(0)
      expect(pfns.freePages).to.equal(0)
      pfns.verify()
    })

    it('are 0 when they exceed what is free or reserved', () => {
      const { pfns } = deviceFixture(512)
      pfns.reserve(1)
      expect(pfns.allocateRun(512, 0)).to.equal(0)
      expect(() => pfns.allocateReservedRun(2, 0)).to.throw(BugError)
      expect(() => pfns.allocateRun(2, 511)).to.throw(BugError)
    })

    it('are freed across groups', () => {
      const { pfns } = deviceFixture(3 * 512)
      for (let group = 0; group < 3; group++) pfns.allocateRun(512, 0)
      pfns.free(FIRST_PFN + 100, 1000)
      expect(pfns.freePages).to.equal(1000)
      pfns.verify()
    })
  })

  it('catches a double free and a free of a page in use', () => {
    const { pfns } = deviceFixture(8)
    const pfn = pfns.allocate(0)
    pfns.associate(pfn, 1, 0)
    expect(() => pfns.free(pfn, 1)).to.throw(BugError, 'while an entry maps it')
    pfns.disassociate(pfn)
    pfns.free(pfn, 1)
    expect(() => pfns.free(pfn, 1)).to.throw(BugError, 'not allocated')
    expect(() => pfns.free(0, 1)).to.throw(BugError, 'out of range')
    expect(() => pfns.free(FIRST_PFN, 9)).to.throw(BugError, 'out of range')
    expect(pfns.allocate(0), 'the mutex is free again').to.equal(pfn)
  })

  describe('owners', () => {
    it('says which page of which mapping a frame backs (K54)', () => {
      const { pfns } = deviceFixture(1024)
      const owner = new PageOwner()
      expect(pfns.ownerOf(600, owner)).to.equal(false)
      pfns.associate(600, 7, 2 ** 32 - 1)
      expect(pfns.ownerOf(600, owner)).to.equal(true)
      expect(owner).to.include({ mapping: 7, pgoff: 2 ** 32 - 1 })
      pfns.disassociate(600)
      expect(pfns.ownerOf(600, owner)).to.equal(false)
    })

    it('covers each page of a 2 MiB entry', () => {
      const { pfns } = deviceFixture(1024)
      const owner = new PageOwner()
      pfns.associate(1024, 3, 512, 512)
      for (let page = 0; page < 512; page++) {
        expect(pfns.ownerOf(1024 + page, owner)).to.equal(true)
        expect(owner.pgoff).to.equal(512 + page)
      }
      expect(pfns.ownerOf(1023, owner)).to.equal(false)
      pfns.disassociate(1024, 512)
      expect(pfns.ownerOf(1535, owner)).to.equal(false)
    })

    it('catches a second owner, and the loss of none', () => {
      const { pfns } = deviceFixture(8)
      pfns.associate(512, 1, 0)
      expect(() => pfns.associate(512, 1, 0)).to.throw(BugError, 'twice')
      expect(() => pfns.disassociate(513)).to.throw(BugError, 'without an owner')
      expect(() => pfns.associate(513, 0, 0)).to.throw(BugError, 'no mapping')
      expect(() => pfns.associate(519, 1, 0, 2)).to.throw(BugError, 'out of range')
    })

    it('knows no owner of what is no page', () => {
      const { pfns } = deviceFixture(8)
      const owner = new PageOwner()
      for (const pfn of [0, 511, 520, 2 ** 30]) {
        expect(pfns.ownerOf(pfn, owner)).to.equal(false)
        expect(pfns.isPoisoned(pfn)).to.equal(false)
      }
    })
  })

  it('poison is counted in blocks of 512 bytes: a page is sound with the last of them', () => {
    const { pfns } = deviceFixture(64)
    const pfn = pfns.allocate(0)
    pfns.setPoison(pfn, 0b0001_0010)
    pfns.setPoison(pfn + 1, 0b1000_0000)
    expect([pfn, pfn + 1, pfn + 2].map((each) => pfns.badBlocksOf(each))).to.deep.equal([0x12, 0x80, 0])
    expect(pfns.clearPoison(pfn, 0b0000_0110)).to.equal(0b0000_0010)
    expect([pfns.isPoisoned(pfn), pfns.clearPoison(pfn), pfns.isPoisoned(pfn)]).to.deep.equal([true, 0x10, false])
    expect([pfns.nextPoisoned(pfn, 8), pfns.nextPoisoned(pfn, 1), pfns.nextPoisoned(pfn + 2, 40)]).to.deep.equal([
      pfn + 1,
      0,
      0,
    ])
    expect(pfns.clearPoison(pfn + 1)).to.equal(0x80)
  })

  it('an error is untold until a sync tells of it; while the page is bad nothing more is', () => {
    const { pfns } = deviceFixture(8)
    const pfn = pfns.allocate(0)
    expect(pfns.isUntold(pfn), 'sound').to.equal(false)
    pfns.setPoison(pfn, 1)
    expect(pfns.isUntold(pfn)).to.equal(true)
    pfns.tellLost(pfn)
    pfns.setPoison(pfn, 2)
    expect(pfns.isUntold(pfn), 'bad before').to.equal(false)
    pfns.clearPoison(pfn, 1)
    expect(pfns.isUntold(pfn), 'bad still').to.equal(false)
    pfns.clearPoison(pfn)
    pfns.setPoison(pfn)
    expect(pfns.isUntold(pfn), 'anew').to.equal(true)
  })

  it('an error is untold though a sync told of the last one when that was repaired already', () => {
    const poison = new PagePoison(new AtomicWords(new SharedArrayBuffer(PagePoison.wordsFor(8) * 4)), 0, 8)
    poison.tell(3)
    poison.set(3, 1, false)
    expect(poison.isTold(3)).to.equal(false)
  })

  it('latent poison is found once; an error that is known makes all of its page known', () => {
    const { pfns } = deviceFixture(64)
    const pfn = pfns.allocate(0)
    pfns.setPoison(pfn, 1, true)
    expect([pfns.isPoisoned(pfn), pfns.isKnownBad(pfn)]).to.deep.equal([true, false])
    expect([pfns.revealPoison(pfn), pfns.revealPoison(pfn), pfns.isKnownBad(pfn)]).to.deep.equal([true, false, true])
    pfns.setPoison(pfn, 2, true)
    expect(pfns.isKnownBad(pfn), 'found with the first').to.equal(true)
    pfns.clearPoison(pfn)
    pfns.setPoison(pfn, 4, true)
    pfns.setPoison(pfn, 8)
    expect([pfns.isKnownBad(pfn), pfns.badBlocksOf(pfn)]).to.deep.equal([true, 12])
    pfns.clearPoison(pfn)
    expect(pfns.revealPoison(pfn)).to.equal(false)
  })

  it('poison stays until it is cleared or the page is allocated anew', () => {
    const { pfns } = deviceFixture(100)
    const pfn = pfns.allocate(540)
    pfns.setPoison(pfn)
    expect([pfn - 1, pfn, pfn + 1].map((each) => pfns.isPoisoned(each))).to.deep.equal([false, true, false])
    pfns.clearPoison(pfn)
    expect(pfns.isPoisoned(pfn)).to.equal(false)
    for (const each of [pfn, pfn + 1, 600, 611]) pfns.setPoison(each)
    pfns.free(pfn, 1)
    expect(pfns.isPoisoned(pfn)).to.equal(true)
    expect(pfns.allocateRun(71, 28)).to.equal(540)
    expect([pfn, pfn + 1, 600, 611].map((each) => pfns.isPoisoned(each))).to.deep.equal([false, false, false, true])
  })

  it('keeps its counts when threads allocate and free at once', async () => {
    const { buffer, base, pfns } = deviceFixture(700)
    const script = new URL('./pfn-worker.js', import.meta.url)
    const seed = seedFor('pfn-allocator threads')
    const workers = [1, 2, 3].map((id) => {
      return new Worker(script, { workerData: { buffer, base, capacity: 700, seed: seed + id, id } })
    })
    const held = await Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[number]>))
    await Promise.all(workers.map((worker) => worker.terminate()))
    pfns.verify()
    const total = held.reduce((sum, [pages]) => sum + pages, 0)
    expect(700 - pfns.freePages).to.equal(total)
  })
})
