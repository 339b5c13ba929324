/** How much of a huge page the host maps when a piece of it is touched: a matter of cost, never of bytes or tags. */
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { DaxFile } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { PAGE, Pool, bytes } from './pool.js'

const HUGE_PAGES = 512
const HUGE = HUGE_PAGES * PAGE

describe('pieces of huge pages', () => {
  let pool: Pool
  let file: DaxFile

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool()
    file = pool.holes(2 * HUGE_PAGES)
  })
  afterEach(() => pool.close())

  const cached = (): number => {
    let count = 0
    for (let page = 0; page < 2 * HUGE_PAGES; page++) if (pool.isCached(file, page)) count++
    return count
  }

  it('S0.11: a walk takes a few pieces for the first 2 MiB, and none but the fault itself for the next', () => {
    const view = bytes(file.mmap())
    const walk = (from: number): void => {
      for (let page = from; page < from + HUGE_PAGES; page++) view[page * PAGE] = page % 251
    }
    const first = pool.faultsOf(() => {
      walk(0)
    })
    expect(first.hugeHoleWrite).to.equal(1)
    expect(first.fillIn).to.be.within(1, 4)
    expect(pool.faultsOf(() => walk(HUGE_PAGES))).to.deep.equal({ hugeHoleWrite: 1 })
    for (let page = 0; page < 2 * HUGE_PAGES; page++) expect(view[page * PAGE]).to.equal(page % 251)
    file.sync()
    expect(pool.media(700 * PAGE)).to.deep.equal([700 % 251])
  })

  it('K42: a walk through a hole by loads is as cheap, stays a hole, and a store to it afterwards is seen', () => {
    const view = bytes(file.mmap())
    let sum = 0
    const loads = pool.faultsOf(() => {
      for (let page = 0; page < HUGE_PAGES; page++) sum += view[page * PAGE] as number
    })
    expect([sum, loads.hugeHoleRead]).to.deep.equal([0, 1])
    expect(loads.fillIn).to.be.within(1, 4)
    expect(file.stat().blocks).to.equal(0)
    expect(pool.faultsOf(() => (view[300 * PAGE] = 1))).to.include({ hugeHoleWrite: 1 })
    expect(file.stat().tags.dirty).to.equal(1)
  })

  it('S0.11: who touches pages here and there, or says MADV_RANDOM, gets the pages touched and no others', () => {
    const mapping = file.mmap()
    const view = bytes(mapping)
    for (let page = 0; page < HUGE_PAGES; page += 64) view[page * PAGE] = 1
    expect(cached()).to.equal(HUGE_PAGES / 64)
    mapping.madvise('random')
    for (let page = HUGE_PAGES; page < HUGE_PAGES + 32; page++) view[page * PAGE] = 1
    expect(cached()).to.equal(HUGE_PAGES / 64 + 32)
    mapping.madvise('sequential')
    view[(HUGE_PAGES + 100) * PAGE] = 1
    expect(cached()).to.equal(HUGE_PAGES / 64 + 32 + HUGE_PAGES - 100)
  })

  it('S0.10: what the cache has of a piece already is never filled over', () => {
    const seed = seedFor('fill-window')
    const random = new Prng(seed)
    file.write(Buffer.alloc(2 * HUGE, 5), 0)
    file.sync()
    pool.pmem.crash()
    const expected = new Uint8Array(2 * HUGE_PAGES).fill(5)
    const [a, b] = [bytes(file.mmap()), bytes(file.mmap())] as [Uint8Array, Uint8Array]
    for (let step = 0; step < 40; step++) {
      const start = random.below(2 * HUGE_PAGES - 20)
      const view = random.below(2) === 0 ? a : b
      for (let page = start; page < start + random.below(20); page++) {
        if (random.below(2) === 0) expected[page] = view[page * PAGE] = random.below(256)
        expect(view[page * PAGE], `seed ${seed}, page ${page}`).to.equal(expected[page])
      }
      if (step % 10 === 9) file.sync()
    }
    for (let page = 0; page < 2 * HUGE_PAGES; page++) expect(a[page * PAGE], `seed ${seed}`).to.equal(expected[page])
    file.sync()
    for (let page = 0; page < 2 * HUGE_PAGES; page += 37) expect(pool.media(page * PAGE)).to.eql([expected[page]])
    expect(pool.pmem.verify().comparedPages).to.be.greaterThan(0)
  })

  it('S0.11, FACTS 13: loads of a read-only open, or of a private mapping, take no pieces; copies stay', () => {
    file.write(Buffer.alloc(2 * HUGE, 5), 0)
    file.sync()
    const readers = [
      (): Uint8Array => bytes(pool.pmem.open('a.pm', { readOnly: true }).mmap({ protection: 'r' })),
      (): Uint8Array => bytes(file.mmap({ sharing: 'private' })),
    ]
    for (const open of readers) {
      pool.pmem.crash()
      const view = open()
      let sum = 0
      const loads = pool.faultsOf(() => {
        for (let page = 0; page < 2 * HUGE_PAGES; page++) sum += view[page * PAGE + 7] as number
      })
      expect([sum, loads]).to.deep.equal([2 * HUGE_PAGES * 5, { hugeDataRead: 2 }])
    }
    // Some of it in the cache and newer than media, some of it a copy: neither is filled over.
    pool.pmem.crash()
    const shared = bytes(file.mmap())
    shared[3 * PAGE] = 6
    const view = bytes(file.mmap({ sharing: 'private' }))
    view[9 * PAGE] = 7
    pool.dropPages(file.mmap())
    expect([0, 3, 9, 10].map((page) => view[page * PAGE])).to.deep.equal([5, 6, 7, 5])
    expect([3, 9].map((page) => shared[page * PAGE])).to.deep.equal([6, 5])
  })

  it('K30: media that is missing is an error, not a hole', () => {
    const mapping = file.mmap()
    const view = bytes(mapping)
    for (let page = 0; page < 3; page++) view[page * PAGE] = 1
    truncateSync(join(pool.path, 'a.pm'), PAGE)
    expect(() => mapping.tryRead(9 * PAGE, 1))
      .to.throw()
      .with.property('code', 'EIO')
  })
})
