/** read(2), write(2) and zeroing beside real mappings of the same file (K100–K107). */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { PAGE, Pool, bytes } from './pool.js'

describe('read and write beside mappings', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool()
  })
  afterEach(() => pool.close())

  it('K103: read is clamped to the size, zero in holes and unwritten blocks, and makes no entry', () => {
    const file = pool.holes(4)
    file.fallocate({ offset: PAGE, length: PAGE })
    file.write(Buffer.alloc(10, 7), 3 * PAGE)
    const target = Buffer.alloc(4 * PAGE + 100, 0xee)
    expect(file.read(target, 100)).to.equal(4 * PAGE - 100)
    expect(target[0]).to.equal(0)
    expect(target[3 * PAGE - 100]).to.equal(7)
    expect(target[4 * PAGE - 100], 'past EOF untouched').to.equal(0xee)
    expect(file.read(target, 4 * PAGE)).to.equal(0)
    expect(file.stat().entries).to.deep.equal({})
  })

  it('K103: read sees what was stored through a mapping, write is seen by it', () => {
    const file = pool.data(2)
    const view = bytes(file.mmap())
    view[10] = 1
    const target = Buffer.alloc(12)
    file.read(target, 0)
    expect([target[9], target[10]]).to.deep.equal([16, 1])
    file.write(Buffer.from([2, 2]), 10)
    expect([...view.subarray(9, 13)]).to.deep.equal([16, 2, 2, 16])
  })

  it('K104, S3.7, B12, B18: write over a mapped hole removes zero entries and zero pages', () => {
    const file = pool.holes(4)
    const [a, copy] = [file.mmap(), file.mmap({ sharing: 'private' })].map(bytes)
    for (let page = 0; page < 4; page++) expect([a![page * PAGE], copy![page * PAGE]]).to.deep.equal([0, 0])
    file.write(Buffer.alloc(2 * PAGE, 5), PAGE)
    expect(file.stat().entries).to.deep.equal({ Z4: 2 })
    for (const view of [a, copy]) {
      expect([0, 1, 2, 3].map((page) => view![page * PAGE])).to.deep.equal([0, 5, 5, 0])
    }
    expect(file.stat().entries).to.deep.equal({ Z4: 2, D4: 2 })
  })

  it('K106, B5: write sets no DIRTY and takes none away', () => {
    const file = pool.data(2)
    const view = bytes(file.mmap())
    file.write(Buffer.from([1]), PAGE)
    expect(file.stat().tags.dirty).to.equal(0)
    expect(file.stat().unfencedLines).to.equal(1)
    view[0] = 2
    file.write(Buffer.alloc(PAGE - 64, 3), 64)
    expect(file.stat().tags.dirty).to.equal(1)
    file.sync()
    expect([pool.media(0)[0], pool.media(64)[0], pool.media(PAGE)[0]]).to.deep.equal([2, 3, 1])
    pool.pmem.crash()
    expect([view[0], view[64], view[PAGE]]).to.deep.equal([2, 3, 1])
  })

  it('K105: the source may be a mapping of the same pages', () => {
    const file = pool.data(4)
    const view = bytes(file.mmap())
    expect(file.write(view.subarray(PAGE, 2 * PAGE), 0)).to.equal(PAGE)
    expect(view[0]).to.equal(17)
    expect(file.write(view.subarray(0, 2 * PAGE), 100), 'overlapping, from pages in no page table').to.equal(2 * PAGE)
    expect([view[99], view[100]]).to.deep.equal([17, 17])
    const holes = pool.holes(3, 'holes.pm')
    const hole = bytes(holes.mmap())
    expect(holes.write(hole.subarray(0, PAGE), PAGE), 'a hole onto a hole').to.equal(PAGE)
    expect(hole[PAGE]).to.equal(0)
  })

  it('K105: the target may be a mapping of the same pages, and is dirtied like by a store', () => {
    const file = pool.data(4)
    const mapping = file.mmap()
    const view = bytes(mapping)
    expect(file.read(view.subarray(PAGE, 2 * PAGE), 2 * PAGE)).to.equal(PAGE)
    expect(view[PAGE]).to.equal(18)
    expect(file.stat().tags.dirty).to.equal(1)
    mapping.msync()
    expect(pool.media(PAGE)).to.deep.equal([18])
  })

  it('K105: a source that ends in SIGBUS gives the bytes before it, or EFAULT when there are none', () => {
    const file = pool.data(2)
    const source = pool.data(2, 'source.pm')
    const mapping = source.mmap({ length: 3 * PAGE })
    const view = bytes(mapping)
    expect(() => file.write(view.subarray(2 * PAGE), 0)).to.throw('EFAULT')
    expect(file.write(view.subarray(PAGE, 3 * PAGE), 0)).to.equal(PAGE)
    expect(file.size).to.equal(2 * PAGE)
    expect(bytes(file.mmap())[PAGE], 'not written').to.equal(17)
  })

  describe('K100, K101: zeroing', () => {
    it('K100: truncate zeroes the tail of the last page, in mappings and on media', () => {
      const file = pool.data(2)
      const view = bytes(file.mmap())
      expect(view[PAGE + 200]).to.equal(17)
      file.truncate(PAGE + 100)
      expect([view[PAGE + 99], view[PAGE + 100], view[2 * PAGE - 1]]).to.deep.equal([17, 0, 0])
      file.truncate(2 * PAGE)
      expect([view[PAGE + 99], view[PAGE + 100]]).to.deep.equal([17, 0])
      pool.pmem.crash()
      expect([view[PAGE + 99], view[PAGE + 100], view[2 * PAGE - 1]]).to.deep.equal([17, 0, 0])
    })

    it('K101: a punch inside pages allocates nothing and zeroes just its bytes', () => {
      const file = pool.data(2)
      const holes = pool.holes(4, 'holes.pm')
      const view = bytes(file.mmap())
      view[300] = 9
      file.fallocate({ mode: 'punch', offset: 100, length: 100 })
      expect([view[99], view[100], view[199], view[200], view[300]]).to.deep.equal([16, 0, 0, 16, 9])
      expect(file.stat().tags.dirty, 'what else was stored to the page is still to be synced').to.equal(1)
      holes.fallocate({ mode: 'zero', offset: 10, length: 20 })
      expect(holes.stat().blocks).to.equal(0)
      pool.pmem.crash()
      expect([view[99], view[100], view[199], view[200], view[300]]).to.deep.equal([16, 0, 0, 16, 16])
    })

    it('K101: a fence after a punch brings back nothing that was flushed before it', () => {
      const file = pool.data(2)
      const mapping = file.mmap()
      const view = bytes(mapping)
      view.fill(9, 0, 256)
      mapping.flush(0, 256)
      file.fallocate({ mode: 'punch', offset: 70, length: 100 })
      pool.pmem.fence()
      pool.pmem.crash()
      expect([view[0], view[69], view[170], view[255]], 'flushed and fenced').to.deep.equal([9, 9, 9, 9])
      expect([view[70], view[128], view[169]], 'punched').to.deep.equal([0, 0, 0])
    })

    it('K100: a fence after a truncate down and up brings back nothing that was flushed before it', () => {
      const file = pool.data(1)
      const mapping = file.mmap()
      const view = bytes(mapping)
      view.fill(9, 0, 128)
      mapping.flush(0, 128)
      file.truncate(10)
      file.truncate(PAGE)
      pool.pmem.fence()
      pool.pmem.crash()
      expect([view[9], view[10], view[63], view[64]]).to.deep.equal([9, 0, 0, 0])
    })

    it('K102: what a mapping stored past EOF is zero when the file grows, durable or not', () => {
      const file = pool.holes(0)
      file.truncate(100)
      const mapping = file.mmap({ length: PAGE })
      const view = bytes(mapping)
      view.fill(9, 0, 200)
      mapping.flush(0, 200)
      expect(view[150], 'the page is whole, as on DAX').to.equal(9)
      file.truncate(PAGE)
      expect([view[99], view[100], view[150]]).to.deep.equal([9, 0, 0])
      pool.pmem.fence()
      mapping.msync()
      pool.pmem.crash()
      expect([view[99], view[100], view[150]]).to.deep.equal([9, 0, 0])
    })

    for (const [flavour, byte] of [
      ['xfs', 0],
      ['ext4', 9],
    ] as const) {
      it(`K102: what was stored past EOF is ${byte} after a write past it on ${flavour} (FACTS 14)`, () => {
        const other = new Pool({ flavour })
        const file = other.holes(0)
        file.truncate(100)
        const view = bytes(file.mmap({ length: PAGE }))
        view[150] = 9
        file.write(Buffer.from([1]), 200)
        expect([view[150], view[200]]).to.deep.equal([byte, 1])
        expect(file.size).to.equal(201)
        other.pmem.close()
      })
    }
  })

  describe('poison', () => {
    it('K107: read over a bad page is EIO for all that is wanted of its extent, and short after another extent', () => {
      const file = pool.holes(6)
      for (const page of [0, 2, 3, 4]) file.write(Buffer.alloc(PAGE, 16 + page), page * PAGE)
      file.sync()
      pool.poison(file, 3)
      expect(() => file.read(Buffer.alloc(10), 3 * PAGE)).to.throw('EIO')
      expect(() => file.read(Buffer.alloc(2 * PAGE), 2 * PAGE), 'the page before it, in one go').to.throw('EIO')
      expect(file.read(Buffer.alloc(PAGE), 2 * PAGE), 'the page before it alone').to.equal(PAGE)
      expect(file.read(Buffer.alloc(6 * PAGE), 0), 'what comes before the extent').to.equal(2 * PAGE)
      expect(file.read(Buffer.alloc(10), 4 * PAGE)).to.equal(10)
    })

    it('K99: a load is SIGBUS, of the bad page alone', () => {
      const file = pool.data(3)
      const mapping = file.mmap()
      const view = bytes(mapping)
      expect(view[PAGE]).to.equal(17)
      pool.poison(file, 1)
      expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
      expect(() => {
        mapping.tryWrite(PAGE, Buffer.from([1]))
      }).to.throw('EIO')
      expect([view[0], view[2 * PAGE]]).to.deep.equal([16, 18])
    })

    it('K108: a write of the whole page mends it, a partial one is EFAULT', () => {
      const file = pool.data(3)
      const mapping = file.mmap()
      pool.poison(file, 1)
      expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
      expect(() => file.write(Buffer.alloc(100, 1), PAGE)).to.throw('EFAULT')
      expect(file.write(Buffer.alloc(PAGE, 1), PAGE)).to.equal(PAGE)
      expect(mapping.tryRead(PAGE, 1)[0]).to.equal(1)
      expect(bytes(mapping)[2 * PAGE - 1]).to.equal(1)
      file.sync()
      expect(pool.media(PAGE)).to.deep.equal([1])
    })
  })
})
