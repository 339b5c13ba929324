import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { ExtentCursor } from '../../../lib/tree/extent-tree.js'
import { Prng } from '../../../lib/prng.js'
import { seedFor } from '../../support/seed.js'
import { pictureOf, treeFixture } from './extent-fixture.js'

const ENOSPC = -28

describe('media/extent-tree', () => {
  describe('looking up', () => {
    it('finds by containment, from a key on, and backwards', () => {
      const { tree, root } = treeFixture(4)
      const cursor = new ExtentCursor()
      expect(tree.find(root, 0, cursor)).to.equal(false)
      expect(tree.findFrom(root, 0, cursor)).to.equal(false)
      expect(tree.previous(root, 9, cursor)).to.equal(false)
      tree.insert(root, 10, 5, 100, 1)
      tree.insert(root, 20, 5, 200, 1)
      const containing = [9, 10, 14, 15, 19, 20, 24, 25].map((key) => tree.find(root, key, cursor) && cursor.start)
      expect(containing).to.deep.equal([false, 10, 10, false, false, 20, 20, false])
      const following = [0, 10, 14, 15, 24, 25].map((key) => tree.findFrom(root, key, cursor) && cursor.start)
      expect(following).to.deep.equal([10, 10, 10, 20, 20, false])
      const before = [10, 11, 20, 21, 1000].map((key) => tree.previous(root, key, cursor) && cursor.start)
      expect(before).to.deep.equal([false, 10, 10, 20, 20])
    })

    it('reaches keys up to 2^53 - 1', () => {
      const { tree, root } = treeFixture(2, true)
      const cursor = new ExtentCursor()
      tree.insert(root, Number.MAX_SAFE_INTEGER - 2 ** 40, 2 ** 40, 0, 1)
      expect(tree.find(root, Number.MAX_SAFE_INTEGER - 1, cursor)).to.equal(true)
      expect(cursor).to.include({ start: Number.MAX_SAFE_INTEGER - 2 ** 40, length: 2 ** 40 })
    })
  })

  describe('joining', () => {
    it('joins neighbours whose values go on, on either side and on both', () => {
      const { tree, root } = treeFixture(4)
      tree.insert(root, 10, 2, 100, 1)
      tree.insert(root, 14, 2, 104, 1)
      expect(pictureOf(tree, root)).to.equal('10+2=100/1 14+2=104/1')
      tree.insert(root, 12, 2, 102, 1)
      expect(pictureOf(tree, root)).to.equal('10+6=100/1')
      tree.insert(root, 9, 1, 99, 1)
      tree.insert(root, 16, 1, 106, 1)
      expect(pictureOf(tree, root)).to.equal('9+8=99/1')
      tree.verify(root)
    })

    it('keeps neighbours apart that differ in state or do not go on', () => {
      const { tree, root } = treeFixture(4)
      tree.insert(root, 10, 2, 100, 1)
      tree.insert(root, 12, 2, 102, 2)
      tree.insert(root, 14, 2, 105, 2)
      tree.insert(root, 16, 2, 106, 2)
      expect(pictureOf(tree, root)).to.equal('10+2=100/1 12+2=102/2 14+2=105/2 16+2=106/2')
      tree.verify(root)
    })

    it('joins by state alone in a valueless tree', () => {
      const { tree, root } = treeFixture(4, true)
      tree.insert(root, 0, 10, 0, 1)
      tree.insert(root, 20, 10, 0, 1)
      tree.insert(root, 5, 20, 0, 1)
      expect(pictureOf(tree, root)).to.equal('0+30=0/1')
      tree.insert(root, 12, 3, 0, 2)
      expect(pictureOf(tree, root)).to.equal('0+12=0/1 12+3=0/2 15+15=0/1')
      tree.verify(root)
    })

    it('needs no record for what is there already', () => {
      const { tree, root, pool } = treeFixture(1)
      tree.insert(root, 0, 100, 1000, 1)
      expect(tree.insert(root, 40, 10, 1040, 1)).to.equal(0)
      expect(tree.insert(root, 0, 100, 1000, 1)).to.equal(0)
      expect(pool.inUse).to.equal(1)
    })

    for (const shape of ['ascending', 'descending', 'random'] as const) {
      it(`makes one extent of 512 keys inserted in ${shape} order`, () => {
        const { tree, root, pool } = treeFixture(512)
        const keys = Array.from({ length: 512 }, (_, key) => key)
        if (shape === 'descending') keys.reverse()
        if (shape === 'random') new Prng(seedFor('extent-tree random order')).shuffle(keys)
        for (const key of keys) {
          expect(tree.insert(root, key, 1, 7000 + key, 1)).to.equal(0)
          tree.verify(root)
        }
        expect(pictureOf(tree, root)).to.equal('0+512=7000/1')
        expect(pool.inUse).to.equal(1)
      })
    }
  })

  describe('overwriting and removing', () => {
    it('cuts what sticks out, with the values that belong there', () => {
      const { tree, root } = treeFixture(8)
      tree.insert(root, 0, 30, 100, 1)
      tree.insert(root, 10, 10, 500, 2)
      expect(pictureOf(tree, root)).to.equal('0+10=100/1 10+10=500/2 20+10=120/1')
      tree.insert(root, 5, 20, 900, 3)
      expect(pictureOf(tree, root)).to.equal('0+5=100/1 5+20=900/3 25+5=125/1')
      tree.insert(root, 0, 30, 100, 1)
      expect(pictureOf(tree, root)).to.equal('0+30=100/1')
      tree.remove(root, 12, 3)
      expect(pictureOf(tree, root)).to.equal('0+12=100/1 15+15=115/1')
      tree.remove(root, 11, 5)
      expect(pictureOf(tree, root)).to.equal('0+11=100/1 16+14=116/1')
      tree.remove(root, 0, 100)
      expect(pictureOf(tree, root)).to.equal('')
      tree.verify(root)
    })

    it('removes what only touches nothing', () => {
      const { tree, root } = treeFixture(2)
      tree.insert(root, 10, 5, 0, 1)
      tree.remove(root, 5, 5)
      tree.remove(root, 15, 5)
      expect(pictureOf(tree, root)).to.equal('10+5=0/1')
    })

    it('clears, gives every record back and leaves other trees alone', () => {
      const { tree, root, otherRoot, pool } = treeFixture(100)
      for (let key = 0; key < 90; key++) tree.insert(root, key * 2, 1, 0, 1)
      tree.insert(otherRoot, 1, 1, 0, 1)
      expect(tree.count(root)).to.equal(90)
      expect(tree.totalLength(root)).to.equal(90)
      tree.clear(root)
      expect([tree.count(root), tree.count(otherRoot), pool.inUse]).to.deep.equal([0, 1, 1])
    })
  })

  describe('exhaustion', () => {
    it('changes nothing when no record is left', () => {
      const { tree, root, otherRoot, pool } = treeFixture(3)
      tree.insert(otherRoot, 0, 1, 0, 1)
      tree.insert(root, 0, 100, 0, 1)
      const before = pictureOf(tree, root)
      expect(tree.insert(root, 40, 10, 7, 2), 'needs two, has one').to.equal(ENOSPC)
      expect(pictureOf(tree, root)).to.equal(before)
      expect(pool.inUse).to.equal(2)
      expect(tree.remove(root, 40, 10)).to.equal(0)
      const cut = pictureOf(tree, root)
      expect(tree.insert(root, 200, 1, 0, 1), 'needs one, has none').to.equal(ENOSPC)
      expect(tree.insert(root, 10, 5, 7, 2), 'needs two, has none').to.equal(ENOSPC)
      expect(tree.remove(root, 10, 10)).to.equal(ENOSPC)
      expect(tree.shift(root, 10, 5)).to.equal(ENOSPC)
      expect(pictureOf(tree, root)).to.equal(cut)
      expect(tree.insert(root, 0, 100, 900, 2), 'takes over a record in the way').to.equal(0)
      expect(pictureOf(tree, root)).to.equal('0+100=900/2')
      tree.verify(root)
    })
  })

  describe('shifting', () => {
    it('opens a gap, cutting the extent across it', () => {
      const { tree, root } = treeFixture(4)
      tree.insert(root, 0, 10, 100, 1)
      tree.insert(root, 20, 5, 300, 1)
      expect(tree.shift(root, 4, 3)).to.equal(0)
      expect(pictureOf(tree, root)).to.equal('0+4=100/1 7+6=104/1 23+5=300/1')
      tree.verify(root)
    })

    it('closes a gap and joins what meets', () => {
      const { tree, root, pool } = treeFixture(4)
      tree.insert(root, 0, 4, 100, 1)
      tree.insert(root, 7, 6, 104, 1)
      tree.insert(root, 23, 5, 300, 1)
      tree.shift(root, 7, -3)
      expect(pictureOf(tree, root)).to.equal('0+10=100/1 20+5=300/1')
      expect(pool.inUse).to.equal(2)
      tree.verify(root)
    })

    it('does nothing without an extent to move and refuses to move onto one', () => {
      const { tree, root } = treeFixture(4)
      expect(tree.shift(root, 0, 5)).to.equal(0)
      tree.insert(root, 0, 4, 100, 1)
      expect(tree.shift(root, 4, 1)).to.equal(0)
      expect(tree.shift(root, 2, 0)).to.equal(0)
      tree.insert(root, 8, 1, 0, 1)
      expect(() => tree.shift(root, 8, -5)).to.throw(BugError, 'onto an extent')
      expect(() => tree.shift(root, 3, -1)).to.throw(BugError, 'onto an extent')
      expect(() => tree.shift(root, 3, -4)).to.throw(BugError, 'below zero')
      expect(() => tree.shift(root, 8, Number.MAX_SAFE_INTEGER)).to.throw(BugError, 'largest key')
      expect(pictureOf(tree, root)).to.equal('0+4=100/1 8+1=0/1')
    })
  })

  it('is shallow enough for a hundred thousand extents in order', () => {
    const { tree, root } = treeFixture(100_000)
    for (let key = 0; key < 100_000; key++) tree.insert(root, key * 2, 1, 0, 1)
    const cursor = new ExtentCursor()
    const before = performance.now()
    for (let key = 0; key < 100_000; key++) expect(tree.find(root, key * 2, cursor) ? 1 : 0).to.equal(1)
    // A tree that degenerates to a list would take minutes.
    expect(performance.now() - before).to.be.below(5000)
    tree.verify(root)
  })

  it('refuses ranges and values that cannot be', () => {
    const { tree, root } = treeFixture(2)
    const { tree: valueless } = treeFixture(2, true)
    expect(() => tree.insert(root, -1, 1, 0, 1)).to.throw(BugError)
    expect(() => tree.insert(root, 0, 0, 0, 1)).to.throw(BugError)
    expect(() => tree.insert(root, 0.5, 1, 0, 1)).to.throw(BugError)
    expect(() => tree.insert(root, Number.MAX_SAFE_INTEGER, 1, 0, 1)).to.throw(BugError)
    expect(() => tree.insert(root, 0, 2, 2 ** 31 - 1, 1)).to.throw(BugError)
    expect(() => tree.remove(root, 0, 0)).to.throw(BugError)
    expect(() => valueless.insert(root, 0, 1, 1, 1)).to.throw(BugError)
  })

  it('verify sees a broken tree', () => {
    const { tree, root, pool } = treeFixture(4)
    tree.insert(root, 0, 4, 100, 1)
    tree.insert(root, 4, 4, 200, 1)
    pool.setValue(2, 104)
    expect(() => tree.verify(root)).to.throw(BugError, 'not joined')
    pool.setStart(2, 3)
    expect(() => tree.verify(root)).to.throw(BugError, 'overlapping')
    pool.setLength(2, 0)
    expect(() => tree.verify(root)).to.throw(BugError, 'empty extent')
  })
})
