import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { PGOFF_LIMIT } from '../../../lib/constants.js'
import { BlockCursor, BlockState } from '../../../lib/media/block-map.js'
import { Prng } from '../../../lib/prng.js'
import { seedFor } from '../../support/seed.js'
import { deviceFixture } from './device-fixture.js'
import { extentsOf } from '../tree/extent-fixture.js'

const ENOSPC = -28
const ROOT = 0
const OTHER = 1

describe('media/block-map', () => {
  it('looks up holes, unwritten and written blocks and how far they go', () => {
    const { map } = deviceFixture(2048)
    const cursor = new BlockCursor()
    expect(map.lookup(ROOT, 5, cursor)).to.equal(BlockState.Hole)
    expect(cursor).to.include({ pfn: 0, pages: PGOFF_LIMIT - 5 })
    map.allocateRange(ROOT, 10, 4, BlockState.Unwritten)
    map.allocateRange(ROOT, 14, 2, BlockState.Written)
    expect(map.lookup(ROOT, 5, cursor)).to.equal(BlockState.Hole)
    expect(cursor.pages).to.equal(5)
    expect(map.lookup(ROOT, 11, cursor)).to.equal(BlockState.Unwritten)
    expect(cursor).to.include({ pages: 3 })
    expect(cursor.pfn % 512).to.equal(11)
    expect(map.lookup(ROOT, 15, cursor)).to.equal(BlockState.Written)
    expect(cursor).to.include({ pages: 1 })
    expect(cursor.pfn % 512).to.equal(15)
    expect(map.blocks(ROOT)).to.equal(6)
    expect(map.blocksIn(ROOT, 12, 3)).to.equal(3)
  })

  describe('placement', () => {
    for (const shape of ['ascending', 'descending', 'random'] as const) {
      it(`makes one 2 MiB extent of 512 pages touched in ${shape} order`, () => {
        const { map, tree, pfns } = deviceFixture(4 * 512)
        const pages = Array.from({ length: 512 }, (_, page) => 512 + page)
        if (shape === 'descending') pages.reverse()
        if (shape === 'random') new Prng(seedFor('block-map random order')).shuffle(pages)
        for (const pgoff of pages) {
          expect(map.isContiguous2M(ROOT, 512)).to.equal(0)
          expect(map.allocate(ROOT, pgoff, BlockState.Written)).to.be.above(0)
          tree.verify(ROOT)
        }
        expect(tree.count(ROOT)).to.equal(1)
        expect(map.isContiguous2M(ROOT, 512) % 512).to.equal(0)
        expect(map.isContiguous2M(ROOT, 512)).to.be.above(0)
        pfns.verify()
      })
    }

    it('keeps two files that grow in turns apart while there are free groups', () => {
      const { map, tree } = deviceFixture(4 * 512)
      for (let pgoff = 0; pgoff < 1024; pgoff++) {
        map.allocate(ROOT, pgoff, BlockState.Written)
        map.allocate(OTHER, pgoff, BlockState.Written)
      }
      for (const root of [ROOT, OTHER]) {
        expect(tree.count(root)).to.be.at.most(2)
        expect(map.isContiguous2M(root, 0)).to.be.above(0)
        expect(map.isContiguous2M(root, 512)).to.be.above(0)
      }
    })

    it('makes one extent of a file written from front to back', () => {
      const { map, tree } = deviceFixture(4 * 512)
      for (let pgoff = 0; pgoff < 2048; pgoff++) map.allocate(ROOT, pgoff, BlockState.Written)
      expect(tree.count(ROOT)).to.equal(1)
    })

    it('still uses the last page when nothing fits well', () => {
      const { map, pfns } = deviceFixture(700, 2048)
      const prng = new Prng(seedFor('block-map last page'))
      const pages = prng.shuffle(Array.from({ length: 700 }, (_, page) => page * 3))
      for (const pgoff of pages) expect(map.allocate(ROOT, pgoff, BlockState.Written)).to.be.above(0)
      expect(map.allocate(ROOT, 5000, BlockState.Written)).to.equal(ENOSPC)
      expect(pfns.freePages).to.equal(0)
    })
  })

  describe('2 MiB', () => {
    it('allocates an aligned run or nothing', () => {
      const { map, pfns } = deviceFixture(2 * 512)
      map.allocate(OTHER, 3, BlockState.Written)
      const pfn = map.allocateHuge(ROOT, 512, BlockState.Written)
      expect(pfn % 512).to.equal(0)
      expect(map.isContiguous2M(ROOT, 512)).to.equal(pfn)
      expect(map.allocateHuge(ROOT, 0, BlockState.Written)).to.equal(ENOSPC)
      expect(pfns.freePages).to.equal(511)
      expect(() => map.allocateHuge(ROOT, 512, BlockState.Written)).to.throw(BugError)
      expect(() => map.allocateHuge(ROOT, 5, BlockState.Written)).to.throw(BugError)
    })

    it('is not contiguous when unwritten, short, or not aligned on the device', () => {
      const { map, tree } = deviceFixture(4 * 512)
      map.allocateRange(ROOT, 0, 512, BlockState.Unwritten)
      expect(map.isContiguous2M(ROOT, 0)).to.equal(0)
      map.convert(ROOT, 0, 511)
      expect(map.isContiguous2M(ROOT, 0)).to.equal(0)
      map.convert(ROOT, 511, 1)
      expect(map.isContiguous2M(ROOT, 0)).to.equal(512)
      tree.insert(OTHER, 0, 1024, 700, BlockState.Written)
      expect(map.isContiguous2M(OTHER, 0)).to.equal(0)
      expect(map.isContiguous2M(OTHER, 512)).to.equal(0)
      expect(map.isContiguous2M(OTHER, 1024)).to.equal(0)
      tree.clear(OTHER)
    })
  })

  it('converts unwritten blocks only, and joins what became equal', () => {
    const { map, tree } = deviceFixture(1024)
    map.allocateRange(ROOT, 0, 10, BlockState.Unwritten)
    map.free(ROOT, 4, 2)
    expect(map.convert(ROOT, 2, 6)).to.equal(0)
    const states = extentsOf(tree, ROOT).map(({ start, length, state }) => [start, length, state])
    expect(states).to.deep.equal([
      [0, 2, BlockState.Unwritten],
      [2, 2, BlockState.Written],
      [6, 2, BlockState.Written],
      [8, 2, BlockState.Unwritten],
    ])
    map.convert(ROOT, 0, 100)
    expect(tree.count(ROOT)).to.equal(2)
    expect(map.blocks(ROOT)).to.equal(8)
  })

  describe('no space', () => {
    it('allocateRange finds out before it changes anything', () => {
      const { map, pfns, tree } = deviceFixture(100)
      map.allocateRange(ROOT, 10, 10, BlockState.Written)
      expect(map.allocateRange(ROOT, 0, 101, BlockState.Unwritten)).to.equal(ENOSPC)
      expect([map.blocks(ROOT), pfns.freePages, pfns.reservedPages]).to.deep.equal([10, 90, 0])
      expect(map.allocateRange(ROOT, 0, 100, BlockState.Unwritten)).to.equal(0)
      expect([map.blocks(ROOT), pfns.freePages, pfns.reservedPages]).to.deep.equal([100, 0, 0])
      tree.verify(ROOT)
      pfns.verify()
    })

    it('gives the page back when the extent pool is exhausted', () => {
      const { map, pfns } = deviceFixture(2048, 2)
      map.allocate(ROOT, 0, BlockState.Written)
      map.allocate(ROOT, 10, BlockState.Written)
      expect(map.allocate(ROOT, 20, BlockState.Written)).to.equal(ENOSPC)
      expect(map.allocateHuge(ROOT, 512, BlockState.Written)).to.equal(ENOSPC)
      expect(map.allocateRange(ROOT, 600, 600, BlockState.Written)).to.equal(ENOSPC)
      expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([2046, 0])
      pfns.verify()
    })

    it('a punch inside one extent without a record for the cut changes nothing', () => {
      const { map, pfns } = deviceFixture(100, 1)
      map.allocateRange(ROOT, 0, 50, BlockState.Written)
      expect(map.free(ROOT, 10, 5)).to.equal(ENOSPC)
      expect([map.blocks(ROOT), pfns.freePages]).to.deep.equal([50, 50])
      expect(map.free(ROOT, 10, 1000)).to.equal(0)
      expect([map.blocks(ROOT), pfns.freePages]).to.deep.equal([10, 90])
    })
  })

  describe('files that are opened and closed', () => {
    it('load takes numbers from the reservation and unload keeps the room', () => {
      const { map, tree, pfns, pool } = deviceFixture(3 * 512)
      expect(pfns.reserve(1000)).to.equal(0)
      expect(map.load(ROOT, 5, 905)).to.equal(0)
      expect(map.load(ROOT, 2000, 2100)).to.equal(0)
      expect([pfns.freePages, pfns.reservedPages, map.blocks(ROOT)]).to.deep.equal([536, 0, 1000])
      expect(map.lookup(ROOT, 2099, new BlockCursor())).to.equal(BlockState.Written)
      tree.verify(ROOT)
      map.unload(ROOT)
      expect([pfns.freePages, pfns.reservedPages, pool.inUse]).to.deep.equal([536, 1000, 0])
      pfns.verify()
      expect(() => map.load(ROOT, 0, 1001)).to.throw(BugError, 'reserved')
    })

    it('a load that runs out of extents leaves the reservation as it was', () => {
      const { map, pfns } = deviceFixture(3 * 512, 2)
      for (const taken of [600, 800, 1100, 1300]) pfns.allocate(taken)
      pfns.reserve(1100)
      expect(map.load(ROOT, 0, 10)).to.equal(0)
      expect(map.load(ROOT, 10, 1100)).to.equal(ENOSPC)
      expect([map.blocks(ROOT), pfns.reservedPages]).to.deep.equal([10, 1090])
      pfns.verify()
    })
  })

  it('moves blocks for collapse and insert range', () => {
    const { map } = deviceFixture(1024)
    const cursor = new BlockCursor()
    map.allocateRange(ROOT, 0, 10, BlockState.Written)
    map.lookup(ROOT, 7, cursor)
    const seventh = cursor.pfn
    map.free(ROOT, 2, 3)
    expect(map.shift(ROOT, 5, -3)).to.equal(0)
    map.lookup(ROOT, 4, cursor)
    expect(cursor.pfn).to.equal(seventh)
    expect(map.shift(ROOT, 3, 100)).to.equal(0)
    map.lookup(ROOT, 104, cursor)
    expect(cursor.pfn).to.equal(seventh)
    expect(map.blocks(ROOT)).to.equal(7)
  })

  it('refuses to allocate where there is a block', () => {
    const { map } = deviceFixture(16)
    map.allocate(ROOT, 1, BlockState.Written)
    expect(() => map.allocate(ROOT, 1, BlockState.Written)).to.throw(BugError)
    expect(() => map.load(ROOT, 0, 5)).to.throw(BugError)
  })
})
