/** Real page faults on real mappings: what each kind does to bytes, entries and tags. 4 KiB entries only. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { PAGE, Pool, bytes, entryCount } from './pool.js'

describe('faults', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool()
  })
  afterEach(() => pool.close())

  describe('of shared mappings', () => {
    it('T7: a load from a hole reads zero, allocates nothing, and leaves a clean zero entry', () => {
      const file = pool.holes(4)
      const view = bytes(file.mmap())
      expect(pool.faultsOf(() => expect(view[PAGE]).to.equal(0))).to.deep.equal({ holeRead: 1 })
      const stat = file.stat()
      expect(stat.entries).to.deep.equal({ Z4: 1 })
      expect(stat.tags.dirty).to.equal(0)
      expect(stat.blocks).to.equal(0)
    })

    it('T6, S0.2: a store to a page that others read as a hole is seen by all of them', () => {
      const file = pool.holes(4)
      const [a, b, copy] = [file.mmap(), file.mmap(), file.mmap({ sharing: 'private' })].map(bytes)
      for (const view of [a, b, copy]) expect(view![PAGE]).to.equal(0)
      b![PAGE] = 7
      for (const view of [a, b, copy]) expect(view![PAGE]).to.equal(7)
      expect(file.stat().entries).to.deep.equal({ D4: 1 })
      expect(file.stat().tags.dirty).to.equal(1)
      expect(file.stat().blocks).to.equal(8)
    })

    it('T1, S0.10: a first store to a hole gets a block of zeroes and keeps the store', () => {
      const file = pool.holes(2)
      const view = bytes(file.mmap())
      expect(
        pool.faultsOf(() => {
          view[5] = 9
        }),
      ).to.deep.equal({ holeWrite: 1 })
      expect([...view.subarray(4, 7)]).to.deep.equal([0, 9, 0])
    })

    it('K52, S1.4: a load of data is a clean entry; the store after it lifts the protection and dirties it', () => {
      const file = pool.data(3)
      const view = bytes(file.mmap())
      expect(pool.faultsOf(() => expect(view[2 * PAGE]).to.equal(18))).to.deep.equal({ dataRead: 1 })
      expect(file.stat().tags.dirty).to.equal(0)
      expect(pool.isMetadataDirty(file), 'S1.10').to.equal(false)
      expect(
        pool.faultsOf(() => {
          view[2 * PAGE] = 1
        }),
      ).to.deep.equal({ mkwrite: 1 })
      expect(file.stat().tags.dirty).to.equal(1)
      expect(pool.isMetadataDirty(file), 'S1.10').to.equal(true)
    })

    it('T9: a second mapping maps the page of the first; one entry, one block', () => {
      const file = pool.data(3)
      const [a, b] = [file.mmap(), file.mmap()].map(bytes)
      expect(a![0]).to.equal(16)
      expect(pool.faultsOf(() => expect(b![0]).to.equal(16))).to.deep.equal({ minorRead: 1 })
      b![1] = 3
      expect(a![1]).to.equal(3)
      expect(entryCount(file)).to.equal(1)
    })

    it('T9: mappings at different offsets show the same bytes both ways', () => {
      const file = pool.data(8)
      const whole = bytes(file.mmap())
      const tail = bytes(file.mmap({ offset: 5 * PAGE }))
      expect(tail[0]).to.equal(21)
      tail[PAGE + 1] = 99
      expect(whole[6 * PAGE + 1]).to.equal(99)
      whole[7 * PAGE + 2] = 98
      expect(tail[2 * PAGE + 2]).to.equal(98)
      expect(file.stat().entries).to.deep.equal({ D4: 3 })
    })

    it('S0.1: a page in no cache is filled whole by a store to one byte of it', () => {
      const file = pool.data(2)
      const view = bytes(file.mmap())
      expect(
        pool.faultsOf(() => {
          view[PAGE + 100] = 1
        }),
      ).to.deep.equal({ dataWrite: 1 })
      expect([...view.subarray(PAGE + 99, PAGE + 102)]).to.deep.equal([17, 1, 17])
    })

    it('T7: an unwritten block reads zero and becomes data with the first store', () => {
      // More than 32 KiB: ext4 converts a smaller extent as a whole at the first store (FACTS 16).
      const file = pool.holes(16)
      file.fallocate({ offset: 0, length: 16 * PAGE })
      const view = bytes(file.mmap())
      expect(view[0]).to.equal(0)
      expect(file.stat().entries).to.deep.equal({ Z4: 1 })
      view[0] = 1
      expect(file.stat().entries).to.deep.equal({ D4: 1 })
      expect(file.stat().extents.map(({ state }) => state)).to.deep.equal(['written', 'unwritten'])
    })
  })

  describe('of private mappings', () => {
    it('S0.6: a store stays in the mapping; the file and its entries do not change', () => {
      const file = pool.data(2)
      const shared = bytes(file.mmap())
      const copy = bytes(file.mmap({ sharing: 'private' }))
      expect(copy[0]).to.equal(16)
      expect(shared[0]).to.equal(16)
      expect(
        pool.faultsOf(() => {
          copy[0] = 1
        }),
      ).to.deep.equal({ privateCopy: 1 })
      expect([copy[0], copy[1], shared[0]]).to.deep.equal([1, 16, 16])
      expect(file.stat().tags.dirty, 'K50').to.equal(0)
    })

    it('S0.6: a page not yet copied follows the file, a copied one does not', () => {
      const file = pool.data(2)
      const shared = bytes(file.mmap())
      const copy = bytes(file.mmap({ sharing: 'private' }))
      copy[0] = 1
      expect(copy[PAGE]).to.equal(17)
      shared[1] = 50
      shared[PAGE + 1] = 51
      expect([copy[1], copy[PAGE + 1]]).to.deep.equal([16, 51])
    })

    it('B29: a punch takes nothing from a private copy; S0.6: a truncate does', () => {
      const file = pool.data(3)
      const mapping = file.mmap({ sharing: 'private' })
      const copy = bytes(mapping)
      copy[PAGE] = 1
      expect(copy[0]).to.equal(16)
      file.fallocate({ mode: 'punch', offset: 0, length: 2 * PAGE })
      expect([copy[0], copy[PAGE], copy[PAGE + 1]]).to.deep.equal([0, 1, 17])
      file.truncate(PAGE)
      expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
      file.truncate(3 * PAGE)
      expect(copy[PAGE], 'no copy of freed blocks comes back').to.equal(0)
    })

    it('S0.6: a copy of a hole is zero and allocates nothing', () => {
      const file = pool.holes(2)
      const copy = bytes(file.mmap({ sharing: 'private' }))
      copy[1] = 1
      expect([copy[0], copy[1]]).to.deep.equal([0, 1])
      expect(file.stat().blocks).to.equal(0)
    })
  })

  it('K82: dropping page tables loses no byte and no entry', () => {
    const file = pool.data(3)
    const mapping = file.mmap()
    const view = bytes(mapping)
    view[0] = 1
    expect(view[PAGE]).to.equal(17)
    const before = file.stat()
    pool.dropPages(mapping)
    expect(file.stat().entries).to.deep.equal(before.entries)
    expect(file.stat().tags).to.deep.equal(before.tags)
    expect(pool.faultsOf(() => expect([view[0], view[PAGE]]).to.deep.equal([1, 17]))).to.deep.equal({ minorRead: 2 })
    mapping.msync()
    expect(pool.media(0)).to.deep.equal([1])
  })

  it('T6: a store to a page read as a hole, with no space left, is SIGBUS and not a fault for ever', () => {
    // The protected zero page leaves a marker when it is dropped; poison over a marker is refused.
    const file = pool.holes(4)
    const filler = pool.holes(0, 'filler.pm')
    const mapping = file.mmap()
    expect(bytes(mapping)[0]).to.equal(0)
    filler.fallocate({ offset: 0, length: pool.pmem.stats().free, keepSize: true })
    expect(() => mapping.tryWrite(0, Buffer.from([1]))).to.throw('EIO')
    filler.truncate(PAGE)
    filler.truncate(0)
    mapping.tryWrite(0, Buffer.from([1]))
    expect(bytes(mapping)[0]).to.equal(1)
  })

  it('K111: unmap and close persist nothing and clean nothing', () => {
    const file = pool.data(1)
    const mapping = file.mmap()
    bytes(mapping)[0] = 1
    mapping.unmap()
    expect(file.stat().tags.dirty).to.equal(1)
    file.close()
    expect(pool.media(0)).to.deep.equal([16])
    const again = pool.pmem.open('a.pm')
    expect(bytes(again.mmap())[0]).to.equal(1)
    again.sync()
    expect(pool.media(0)).to.deep.equal([1])
  })

  describe('T12, K80: truncate', () => {
    it('removes entries whatever their tags, in all mappings', () => {
      const file = pool.data(4)
      const [a, b] = [file.mmap(), file.mmap()]
      bytes(a)[2 * PAGE] = 1
      expect(bytes(b)[2 * PAGE]).to.equal(1)
      expect(bytes(b)[0]).to.equal(16)
      file.truncate(PAGE)
      expect(file.stat().entries).to.deep.equal({ D4: 1 })
      expect(file.stat().tags.dirty).to.equal(0)
      for (const mapping of [a, b]) expect(() => mapping.tryRead(2 * PAGE, 1)).to.throw('EIO')
      file.truncate(4 * PAGE)
      for (const mapping of [a, b]) expect(bytes(mapping)[2 * PAGE]).to.equal(0)
    })

    it('S0.7: cycles of mapping, faulting and truncating leave nothing behind', () => {
      const file = pool.holes(0)
      const free = pool.pmem.stats().free
      const { memory } = pool.pmem.stats()
      for (let round = 0; round < 10; round++) {
        file.truncate(16 * PAGE)
        const mapping = file.mmap()
        const view = bytes(mapping)
        for (let page = 0; page < 16; page++) {
          expect(view[page * PAGE]).to.equal(0)
          view[page * PAGE] = 1
        }
        mapping.unmap()
        file.truncate(0)
      }
      expect(pool.pmem.stats().free).to.equal(free)
      const now = pool.pmem.stats().memory
      expect([now.treeNodes, now.extents]).to.deep.equal([memory.treeNodes, memory.extents])
    })
  })
})
