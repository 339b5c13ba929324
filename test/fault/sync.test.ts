/** msync and fsync over real mappings: what is on media when they return, and what they leave in the tree. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { PAGE, Pool, bytes, entryCount } from './pool.js'

describe('sync of mappings', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool()
  })
  afterEach(() => pool.close())

  it('S1.1: msync writes exactly the dirty pages of its range, by line', () => {
    const file = pool.data(6)
    const mapping = file.mmap()
    const view = bytes(mapping)
    for (const page of [0, 1, 2, 4]) view[page * PAGE] = 1
    expect(view[3 * PAGE]).to.equal(19)
    const before = pool.pmem.stats()
    mapping.msync(PAGE, 2 * PAGE)
    const after = pool.pmem.stats()
    expect(after.pagesWritten - before.pagesWritten).to.equal(2)
    expect(after.linesWritten - before.linesWritten).to.equal(2)
    expect([0, 1, 2, 4].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([16, 1, 1, 20])
    expect(file.stat().tags.dirty).to.equal(2)
  })

  it('S1.1: a range is of the mapping, wherever in the file that begins', () => {
    const file = pool.data(6)
    const view = bytes(file.mmap())
    const tail = file.mmap({ offset: 3 * PAGE })
    for (let page = 0; page < 6; page++) view[page * PAGE] = 1
    tail.msync(PAGE, 1)
    expect([0, 1, 2, 3, 4, 5].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([16, 17, 18, 19, 1, 21])
  })

  it('S1.1: fsync of one open covers stores through every mapping', () => {
    const file = pool.data(2)
    const other = pool.pmem.open('a.pm')
    bytes(other.mmap())[0] = 1
    bytes(file.mmap({ offset: PAGE }))[0] = 2
    file.sync()
    expect([pool.media(0)[0], pool.media(PAGE)[0]]).to.deep.equal([1, 2])
  })

  it('S1.2: fsync removes no entry', () => {
    const file = pool.data(6)
    const view = bytes(file.mmap())
    for (const page of [0, 1, 2]) view[page * PAGE] = 1
    expect(view[4 * PAGE]).to.equal(20)
    const before = entryCount(file)
    file.sync()
    expect(before).to.equal(4)
    expect(entryCount(file)).to.equal(before)
    expect(file.stat().tags).to.deep.equal({ dirty: 0, towrite: 0 })
  })

  it('S1.3, K60, K70: a store after a sync faults again, and the next sync writes it', () => {
    const file = pool.data(2)
    const mapping = file.mmap()
    const view = bytes(mapping)
    view[0] = 1
    for (let value = 2; value < 6; value++) {
      mapping.msync()
      expect(file.stat().tags.dirty).to.equal(0)
      expect(
        pool.faultsOf(() => {
          view[0] = value
          view[1] = value
        }),
        'one fault a page and sync',
      ).to.deep.equal({ mkwrite: 1 })
      expect(pool.media(0)).to.deep.equal([value - 1])
    }
  })

  it('K70, B11: after a sync through one mapping a store through another is not missed', () => {
    const file = pool.data(2)
    const [a, b] = [file.mmap(), file.mmap()]
    bytes(a)[0] = 1
    bytes(b)[64] = 2
    a.msync()
    bytes(b)[64] = 3
    expect(file.stat().tags.dirty).to.equal(1)
    a.msync()
    expect(pool.media(64)).to.deep.equal([3])
  })

  it('S1.4: fsync of a file that was only read flushes 0 lines', () => {
    const file = pool.data(4)
    const mapping = file.mmap({ protection: 'r' })
    const view = bytes(mapping)
    for (let page = 0; page < 4; page++) expect(view[page * PAGE]).to.equal(16 + page)
    const before = pool.pmem.stats()
    file.sync()
    mapping.msync()
    expect(mapping.flush()).to.equal(0)
    const after = pool.pmem.stats()
    expect([after.pagesWritten, after.linesWritten]).to.deep.equal([before.pagesWritten, before.linesWritten])
  })

  it('S1.4: a dirty page whose bytes did not change writes 0 lines and is clean afterwards', () => {
    const file = pool.data(2)
    bytes(file.mmap())[0] = 16
    const before = pool.pmem.stats()
    file.sync()
    expect(pool.pmem.stats().pagesWritten - before.pagesWritten).to.equal(1)
    expect(pool.pmem.stats().linesWritten - before.linesWritten).to.equal(0)
    expect(file.stat().tags.dirty).to.equal(0)
  })

  it('K71, K74: flushed and not fenced is lost; written and not synced is lost; synced is kept', () => {
    const file = pool.data(3)
    const mapping = file.mmap()
    const view = bytes(mapping)
    view[0] = 1
    mapping.flush(0, 1)
    file.write(Buffer.from([1]), PAGE)
    view[2 * PAGE] = 1
    mapping.msync(2 * PAGE, 1)
    // The fence of an msync is for the file's written bytes too, so write once more after it.
    file.write(Buffer.from([2]), PAGE + 64)
    pool.pmem.crash()
    expect([view[0], view[PAGE], view[PAGE + 64], view[2 * PAGE]]).to.deep.equal([16, 1, 17, 1])
  })

  it('S1.12: offsets that are not of whole blocks are refused, not rounded', () => {
    // The kernel refuses inodes with another block size; here blocks are pages and only a request can be misaligned.
    const file = pool.data(2)
    const mapping = file.mmap()
    expect(() => file.mmap({ offset: 2048 })).to.throw(RangeError)
    expect(() => mapping.msync(512, 512)).to.throw(RangeError)
  })

  it('S1.11: entries that hold no data never become dirty, so a sync of holes succeeds', () => {
    const file = pool.holes(4)
    const copy = bytes(file.mmap({ sharing: 'private' }))
    const view = bytes(file.mmap())
    copy[0] = 1
    expect(view[PAGE]).to.equal(0)
    expect(file.stat().entries).to.deep.equal({ E4: 1, Z4: 1 })
    file.sync()
    expect(file.stat().tags).to.deep.equal({ dirty: 0, towrite: 0 })
  })
})
