/** 2 MiB entries on real mappings: when there are any, what they turn into, and what a sync of them writes. */
import { expect } from 'chai'
import type { DaxFile } from '../../lib/index.js'
import { InodeFlag } from '../../lib/mm/inode.js'
import { Advice, HUGE, MapFlag, MsyncFlag, PAGE, Prot, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('2 MiB entries', () => {
  let space: Space
  let file: DaxFile

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    space = new Space()
    file = space.file(2 * HUGE)
  })
  afterEach(() => {
    space.close()
  })

  const entries = (): Record<string, number> => file.stat().entries
  /** Faults by kind. How much of a 2 MiB page the host maps at once is not a matter of the model: no fill-ins. */
  const faults = (work: () => void): Record<string, number> =>
    Object.fromEntries(Object.entries(space.pool.faultsOf(work)).filter(([kind]) => kind !== 'fillIn'))
  const media = (offset: number): number => space.pool.media(offset)[0] as number

  /** 2 MiB of blocks filled with 5, durable, in no cache and in no page table. */
  function fill(): void {
    file.write(Buffer.alloc(HUGE, 5), 0)
    file.sync()
    space.pool.pmem.crash()
  }

  describe('holes', () => {
    it('T2, T8, K42, S2.1: a load maps the huge zero page: one clean Z2M, nothing allocated', () => {
      const address = space.map(file, HUGE)
      expect(faults(() => space.load(address + 5 * PAGE))).to.deep.equal({ hugeHoleRead: 1 })
      expect(entries()).to.deep.equal({ Z2M: 1 })
      expect(file.stat().blocks).to.equal(0)
      expect(space.pages(address, HUGE)).to.equal('Z*512,')
    })

    it('T6, K43, S2.10: the store after it allocates 2 MiB, and no mapping shows the zero page any more', () => {
      const [a, b] = [space.map(file, HUGE), space.map(file, HUGE)]
      for (const page of [0, 7, 511]) expect([space.load(a + page * PAGE), space.load(b + page * PAGE)]).to.eql([0, 0])
      expect(faults(() => space.store(a + 7 * PAGE, 9))).to.deep.equal({ hugeHoleWrite: 1 })
      expect(entries()).to.deep.equal({ D2M: 1 })
      expect(file.stat()).to.deep.include({ blocks: HUGE / 512, tags: { dirty: 1, towrite: 0 } })
      expect(space.pages(b, HUGE), 'unmapped whole').to.equal('.*512,')
      expect([0, 7, 511].map((page) => space.load(b + page * PAGE))).to.deep.equal([0, 9, 0])
    })

    it('T5, K41, S2.4: a 4 KiB store into a Z2M drops all of it, allocates 4 KiB, and makes others fall back', () => {
      const address = space.map(file, HUGE)
      const small = space.map(file, HUGE, { misalign: PAGE })
      expect(space.load(address)).to.equal(0)
      expect(space.store(small + 5 * PAGE, 9)).to.equal('ok')
      expect(entries()).to.deep.equal({ D4: 1 })
      expect(file.stat().blocks).to.equal(8)
      expect(space.pages(address, HUGE)).to.equal('.*512,')
      expect(faults(() => space.load(address + 6 * PAGE))).to.deep.equal({ holeRead: 1 })
      expect([space.load(address + 5 * PAGE), space.load(address)]).to.deep.equal([9, 0])
    })

    it('T8: an unwritten extent reads as a huge hole, and keeps its blocks', () => {
      file.fallocate({ offset: 0, length: HUGE })
      const address = space.map(file, HUGE)
      expect(faults(() => space.load(address))).to.deep.equal({ hugeHoleRead: 1 })
      expect(file.stat().extents.map(({ state }) => state)).to.deep.equal(['unwritten'])
      expect(space.store(address, 1)).to.equal('ok')
      expect(file.stat().extents.map(({ state, end }) => [state, end])).to.deep.equal([['written', HUGE]])
    })
  })

  describe('data', () => {
    beforeEach(fill)

    it('K43, K40: a load maps 2 MiB read-only; the store lifts that for all of it, and unmaps nothing', () => {
      const [a, b] = [space.map(file, HUGE), space.map(file, HUGE)]
      expect(faults(() => space.load(a))).to.deep.equal({ hugeDataRead: 1 })
      expect(space.load(b + 3 * PAGE)).to.equal(5)
      const before = file.stat().extents
      expect(file.stat().tags.dirty).to.equal(0)
      expect(faults(() => space.store(a, 1))).to.deep.equal({ hugeDataWrite: 1 })
      expect(file.stat().extents, 'T9: the value stays').to.deep.equal(before)
      expect(entries()).to.deep.equal({ D2M: 1 })
      expect(space.pages(b + 3 * PAGE, PAGE), 'the reader keeps its page').to.equal('d*1,')
    })

    it('S1.10: a load of 2 MiB leaves the inode clean, a store does not, a sync cleans it again', () => {
      const address = space.map(file, HUGE)
      const isDirty = (): boolean => space.machine.inodes.hasFlags(file.inode, InodeFlag.Dirty)
      space.load(address)
      expect(isDirty()).to.equal(false)
      space.store(address, 1)
      expect(isDirty()).to.equal(true)
      file.sync()
      expect(isDirty()).to.equal(false)
    })

    it('K40: a private mapping is mapped by 2 MiB for loads; its stores are copies of 4 KiB', () => {
      const address = space.map(file, HUGE, { flags: MapFlag.Private })
      expect(faults(() => space.load(address))).to.deep.equal({ hugeDataRead: 1 })
      expect(faults(() => space.store(address + PAGE, 9))).to.deep.equal({ privateCopy: 1 })
      expect(space.load(address + PAGE)).to.equal(9)
      expect(space.load(address + 2 * PAGE)).to.equal(5)
      expect(file.stat().tags.dirty).to.equal(0)
      expect(entries()).to.deep.equal({ D2M: 1 })
    })

    it('T3, S2.5, K53: a 4 KiB fault over a D2M keeps it and dirties all of it; a sync of 4 KiB writes 2 MiB', () => {
      const address = space.map(file, HUGE)
      const small = space.map(file, HUGE, { misalign: PAGE })
      expect(space.store(address + 100 * PAGE, 1)).to.equal('ok')
      expect(space.store(small + 5 * PAGE, 2)).to.equal('ok')
      expect(entries()).to.deep.equal({ D2M: 1 })
      expect(file.stat().tags.dirty).to.equal(1)
      const before = space.pool.pmem.stats().pagesWritten
      expect(space.msync(small + 300 * PAGE, PAGE, MsyncFlag.Sync)).to.equal('ok')
      expect(space.pool.pmem.stats().pagesWritten - before).to.equal(512)
      expect([media(100 * PAGE), media(5 * PAGE), media(0)]).to.deep.equal([1, 2, 5])
    })

    it('S1.8, T11, K70, B11: a sync from inside the 2 MiB on protects every mapping; no later store is missed', () => {
      const address = space.map(file, HUGE)
      const small = space.map(file, HUGE, { misalign: PAGE })
      expect([space.store(address, 1), space.store(small + 5 * PAGE, 1)]).to.deep.equal(['ok', 'ok'])
      expect(space.msync(address + 400 * PAGE, PAGE, MsyncFlag.Sync)).to.equal('ok')
      expect(file.stat().tags).to.deep.equal({ dirty: 0, towrite: 0 })
      expect(faults(() => space.store(small + 5 * PAGE, 2))).to.deep.equal({ mkwrite: 1 })
      expect(faults(() => space.store(address, 3))).to.deep.equal({ hugeDataWrite: 1 })
      file.sync()
      expect([media(0), media(5 * PAGE)]).to.deep.equal([3, 2])
    })

    it('S1.7: fsync, fdatasync and the sync of the whole machine write what mappings stored', () => {
      const address = space.map(file, HUGE)
      const ways = [() => file.sync(), () => file.datasync(), () => space.msync(address, HUGE, MsyncFlag.Sync)]
      ways.forEach((way, i) => {
        expect(space.store(address + 9 * PAGE, 10 + i)).to.equal('ok')
        way()
        expect(media(9 * PAGE)).to.equal(10 + i)
      })
    })

    it('K72: a flush is of whole lines of 64 bytes, from the line the first byte is in', () => {
      const mapping = file.mmap({ length: HUGE })
      new Uint8Array(mapping.buffer).fill(8, 0, 256)
      expect(mapping.flush(100, 1)).to.equal(1)
      space.pool.pmem.fence()
      space.pool.pmem.crash()
      const after = mapping.tryRead(0, 256)
      expect([after[63], after[64], after[127], after[128]]).to.deep.equal([5, 8, 8, 5])
    })

    it('K80, K84: a truncate into the 2 MiB removes the entry; what stays is mapped by 4 KiB', () => {
      const address = space.map(file, HUGE)
      expect(space.store(address + 2 * PAGE, 1)).to.equal('ok')
      file.truncate(10 * PAGE)
      expect(space.pages(address, HUGE)).to.equal('.*512,')
      expect(entries()['D2M']).to.equal(undefined)
      expect([space.load(address + 2 * PAGE), space.load(address + 10 * PAGE)]).to.deep.equal([1, 'SIGBUS'])
      expect(file.stat().blocks).to.equal(80)
    })

    it('S0.7: cycles of 2 MiB of hole, data and truncate leave no block and no entry behind', () => {
      const free = (): number => space.machine.pfns.freePages
      file.truncate(0)
      const before = free()
      for (let i = 0; i < 5; i++) {
        file.truncate(HUGE)
        const address = space.map(file, HUGE)
        expect([space.load(address), space.store(address, 1)]).to.deep.equal([0, 'ok'])
        expect(space.munmap(address, HUGE)).to.equal('ok')
        file.truncate(0)
        expect([free(), entries()]).to.deep.equal([before, {}])
      }
      space.machine.pfns.verify()
    })
  })

  describe('S2.11: fallback', () => {
    /** The kinds of the first load or store at the address. */
    const first = (address: number, store = false): string[] =>
      Object.keys(faults(() => (store ? space.store(address, 1) : space.load(address))))

    it('K20: none of the reasons: huge', () => {
      fill()
      expect(first(space.map(file, HUGE))).to.deep.equal(['hugeDataRead'])
    })

    it('S2.11, B20: an address that is not congruent to the offset', () => {
      fill()
      // Long enough to cover an aligned 2 MiB of addresses, which begins with page 511 of the file.
      const address = space.map(file, 2 * HUGE, { misalign: PAGE })
      expect(first(address + HUGE - PAGE)).to.deep.equal(['dataRead'])
    })

    it('S2.11, K40: a store to a private mapping', () => {
      fill()
      expect(first(space.map(file, HUGE, { flags: MapFlag.Private }), true)).to.deep.equal(['privateCopy'])
      expect(entries()).to.deep.equal({ E4: 1 })
    })

    it('S2.11: a mapping that does not cover the 2 MiB, at its start or its end', () => {
      fill()
      expect(first(space.map(file, HUGE - PAGE))).to.deep.equal(['dataRead'])
      expect(first(space.map(file, HUGE - PAGE, { offset: PAGE }) + PAGE)).to.deep.equal(['dataRead'])
    })

    it('S2.11: EOF inside the 2 MiB, be it in the last page', () => {
      fill()
      file.truncate(HUGE - PAGE)
      expect(first(space.map(file, HUGE))).to.deep.equal(['dataRead'])
      file.truncate(0)
      file.truncate(HUGE - 1)
      expect(first(space.map(file, HUGE)), 'a last page that is there, if not whole').to.deep.equal(['hugeHoleRead'])
    })

    it('S2.11: blocks that are not one extent', () => {
      fill()
      file.fallocate({ mode: 'punch', offset: 5 * PAGE, length: PAGE })
      expect(first(space.map(file, HUGE))).to.deep.equal(['dataRead'])
    })

    it('S2.11, B3: blocks that do not begin at a multiple of 512 on the device', () => {
      file.write(Buffer.alloc(2 * HUGE, 5), 0)
      expect(first(space.map(file, HUGE))).to.deep.equal(['hugeDataRead'])
      file.fallocate({ mode: 'collapse', offset: 0, length: PAGE })
      expect(file.stat().extents).to.have.lengthOf(1)
      expect(first(space.map(file, HUGE)), 'one extent, that begins with page 1 of the old').to.deep.equal(['dataRead'])
    })

    it('S2.11: a bad page in the 2 MiB, so that it alone fails', () => {
      fill()
      space.pool.poison(file, 9)
      const address = space.map(file, HUGE)
      expect(first(address)).to.deep.equal(['dataRead'])
      expect([space.load(address + 8 * PAGE), space.load(address + 9 * PAGE)]).to.deep.equal([5, 'SIGBUS'])
    })

    it('S2.3, K20, T4, B4: a 4 KiB entry in the range, even one of a hole', () => {
      const small = space.map(file, HUGE, { misalign: PAGE })
      expect(space.load(small + 400 * PAGE)).to.equal(0)
      expect(first(space.map(file, HUGE))).to.deep.equal(['holeRead'])
    })

    it('S2.11: MADV_NOHUGEPAGE, a table that is there already; and beyond EOF it is SIGBUS, not a fallback', () => {
      fill()
      const address = space.map(file, HUGE)
      expect(space.madvise(address, HUGE, Advice.NoHugePage)).to.equal('ok')
      expect(first(address)).to.deep.equal(['dataRead'])
      expect(space.madvise(address, HUGE, Advice.HugePage)).to.equal('ok')
      expect(first(address + PAGE), 'the table stays').to.deep.equal(['dataRead'])
      expect(space.load(space.map(file, HUGE, { offset: 2 * HUGE, prot: Prot.Read }))).to.equal('SIGBUS')
      expect(entries()['E2M']).to.equal(undefined)
    })

    it('K6, S2.3: 512 pages faulted in by 4 KiB never become 2 MiB; after the entries are gone they do', () => {
      fill()
      const small = space.map(file, HUGE, { misalign: PAGE })
      for (let page = 0; page < 512; page++) expect(space.load(small + page * PAGE)).to.equal(5)
      const address = space.map(file, HUGE)
      expect(first(address, true)).to.deep.equal(['minorWrite'])
      expect(entries()).to.deep.equal({ D4: 512 })
      file.truncate(0)
      file.truncate(HUGE)
      expect(first(space.map(file, HUGE), true)).to.deep.equal(['hugeHoleWrite'])
      expect(entries()).to.deep.equal({ D2M: 1 })
    })

    it('S0.11: with hugePages off everything is 4 KiB', () => {
      space.close()
      space = new Space({ hugePages: false })
      file = space.file(HUGE)
      expect(first(space.map(file, HUGE), true)).to.deep.equal(['holeWrite'])
      expect(entries()).to.deep.equal({ D4: 1 })
    })
  })
})
