import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { Cursor } from '../../../lib/tree/cursor.js'
import { dumpTree, verifyTree } from '../../../lib/tree/dump.js'
import { dataEntry, emptyEntry, lockedEntry, nodePointer, siblingOf } from '../../../lib/tree/entry.js'
import { Mark } from '../../../lib/tree/root.js'
import { treeBench } from '../../support/tree.js'

const LAST_INDEX = 0xffffffff
const ENOMEM = -12

for (const bits of [2, 3, 4, 5, 6]) {
  describe(`radix tree of ${2 ** bits} slots`, () => {
    it('finds an entry from every index it covers and from no other', () => {
      for (const order of [0, 9]) {
        for (const at of [0, 512, 1024, 4096, 0x7ffffe00, 0x80000000, LAST_INDEX - 511]) {
          const { tree, root, pool } = treeBench(bits)
          const entry = dataEntry(order === 9 ? 512 : 5, order === 9)
          const size = 2 ** order
          expect(tree.store(root, at, order, entry)).to.equal(0)
          verifyTree(tree, root)
          const inside = [at, at + (size >> 1), at + size - 1]
          for (const index of inside) expect(tree.load(root, index), `${order} ${index}`).to.equal(entry)
          const outside = [at - 1, at + size, at - size, at + 4096, at + 0x40000000, 0, LAST_INDEX]
          for (const index of outside.filter(
            (one) => one >= 0 && one <= LAST_INDEX && (one < at || one >= at + size),
          )) {
            expect(tree.load(root, index), `${order} ${at} ${index}`).to.equal(0)
          }
          expect(tree.pageCount(root)).to.equal(size)
          tree.store(root, at, order, 0)
          expect([tree.isEmpty(root), tree.pageCount(root), pool.inUse]).to.deep.equal([true, 0, 0])
        }
      }
    })

    it('forgets what is not there without a trace, and spans nothing when it is empty', () => {
      const { tree, root, pool } = treeBench(bits)
      expect(tree.span(root)).to.equal(0)
      tree.store(root, 7, 0, dataEntry(1, false))
      const before = dumpTree(tree, root)
      for (const [index, order] of [
        [6, 0],
        [512, 9],
        [LAST_INDEX, 0],
      ] as const) {
        expect(tree.store(root, index, order, 0)).to.equal(0)
      }
      expect(dumpTree(tree, root)).to.equal(before)
      tree.store(root, 7, 0, 0)
      expect([tree.span(root), pool.inUse]).to.deep.equal([0, 0])
    })

    it('keeps neighbouring 2 MiB and 4 KiB entries apart', () => {
      const { tree, root } = treeBench(bits)
      tree.store(root, 511, 0, dataEntry(1, false))
      tree.store(root, 512, 9, dataEntry(1024, true))
      tree.store(root, 1024, 0, dataEntry(2, false))
      tree.store(root, 1536, 9, emptyEntry(true))
      verifyTree(tree, root)
      const seen = [511, 512, 1023, 1024, 1025, 1535, 1536, 2047, 2048].map((index) => tree.load(root, index))
      const [a, b, c, d] = [dataEntry(1, false), dataEntry(1024, true), dataEntry(2, false), emptyEntry(true)]
      expect(seen).to.deep.equal([a, b, b, c, 0, 0, d, d, 0])
      expect([tree.entryCount(root), tree.pageCount(root)]).to.deep.equal([4, 1026])
    })

    it('refuses overlapping entries of different orders, unchanged (K6)', () => {
      for (const offset of [0, 1, 255, 511]) {
        const { tree, root } = treeBench(bits)
        tree.store(root, offset, 0, dataEntry(1, false))
        tree.store(root, 512, 9, emptyEntry(true))
        const before = dumpTree(tree, root)
        expect(() => tree.store(root, 0, 9, emptyEntry(true))).to.throw(BugError, /overlaps|another order/)
        expect(() => tree.store(root, 0, 9, 0)).to.throw(BugError)
        expect(() => tree.store(root, 512 + offset, 0, dataEntry(2, false))).to.throw(BugError, 'another order')
        expect(() => tree.store(root, 512 + offset, 0, 0)).to.throw(BugError, 'another order')
        expect(dumpTree(tree, root)).to.equal(before)
      }
    })

    it('grows to any index and shrinks back', () => {
      const { tree, root, pool } = treeBench(bits)
      tree.store(root, 1, 0, dataEntry(1, false))
      const small = dumpTree(tree, root)
      const indices = [2, 63, 64, 4095, 4096, 2 ** 18, 2 ** 24, 2 ** 31, LAST_INDEX]
      for (const index of indices) {
        expect(tree.store(root, index, 0, dataEntry(2, false))).to.equal(0)
        verifyTree(tree, root)
      }
      for (const index of indices.reverse()) {
        tree.store(root, index, 0, 0)
        expect(verifyTree(tree, root)).to.equal(pool.inUse)
      }
      expect(dumpTree(tree, root)).to.equal(small)
    })

    it('keeps marks through replacement, growth and shrinking; erase drops them (K2)', () => {
      const { tree, root } = treeBench(bits)
      tree.store(root, 512, 9, dataEntry(512, true))
      tree.setMark(root, 700, Mark.Dirty)
      for (const index of [512, 513, 1023]) expect(tree.getMark(root, index, Mark.Dirty)).to.equal(true)
      expect(tree.getMark(root, 1024, Mark.Dirty)).to.equal(false)
      expect(tree.getMark(root, 512, Mark.ToWrite)).to.equal(false)
      tree.store(root, 512, 9, lockedEntry(dataEntry(512, true)))
      tree.store(root, LAST_INDEX, 0, dataEntry(1, false))
      tree.setMark(root, LAST_INDEX, Mark.ToWrite)
      verifyTree(tree, root)
      tree.store(root, LAST_INDEX, 0, 0)
      expect(tree.isMarked(root, Mark.ToWrite)).to.equal(false)
      expect(tree.getMark(root, 600, Mark.Dirty)).to.equal(true)
      tree.clearMark(root, 1023, Mark.Dirty)
      expect(tree.isMarked(root, Mark.Dirty)).to.equal(false)
      tree.setMark(root, 512, Mark.Dirty)
      tree.store(root, 512, 9, 0)
      tree.store(root, 512, 9, dataEntry(512, true))
      expect(tree.getMark(root, 512, Mark.Dirty)).to.equal(false)
      verifyTree(tree, root)
    })

    it('changes nothing when the pool runs out, however far the store had come', () => {
      for (let capacity = 1; capacity <= 24; capacity++) {
        const { tree, root, pool } = treeBench(bits, capacity)
        expect(tree.store(root, 3, 0, dataEntry(1, false))).to.equal(0)
        tree.setMark(root, 3, Mark.Dirty)
        for (const [index, order] of [
          [LAST_INDEX, 0],
          [2 ** 31, 9],
          [5000, 0],
        ] as const) {
          const before = dumpTree(tree, root)
          const inUse = pool.inUse
          const result = tree.store(root, index, order, emptyEntry(order === 9))
          expect(verifyTree(tree, root)).to.equal(pool.inUse)
          if (result === 0) {
            tree.store(root, index, order, 0)
            continue
          }
          expect(result).to.equal(ENOMEM)
          expect(dumpTree(tree, root)).to.equal(before)
          expect(pool.inUse).to.equal(inUse)
        }
      }
    })

    it('cannot run out when it replaces or erases', () => {
      const { tree, root, otherRoot, pool } = treeBench(bits, 1)
      tree.store(root, 0, 0, dataEntry(1, false))
      expect(tree.store(otherRoot, 0, 0, dataEntry(1, false))).to.equal(ENOMEM)
      expect(tree.isEmpty(otherRoot)).to.equal(true)
      expect(tree.store(root, 0, 0, dataEntry(2, false))).to.equal(0)
      expect(tree.store(root, 0, 0, 0)).to.equal(0)
      expect(tree.store(otherRoot, 0, 0, dataEntry(1, false))).to.equal(0)
      expect(pool.inUse).to.equal(1)
    })

    it('scans forward by whole entries and always progresses (B6, B32)', () => {
      const { tree, root } = treeBench(bits)
      const cursor = new Cursor()
      tree.store(root, 512, 9, dataEntry(512, true))
      tree.store(root, LAST_INDEX - 511, 9, dataEntry(1024, true))
      expect(tree.next(root, 700, 700, cursor)).to.equal(true)
      expect([cursor.index, cursor.order, cursor.after()]).to.deep.equal([512, 9, 1024])
      expect(tree.next(root, 0, 511, cursor)).to.equal(false)
      expect(cursor.index, 'unchanged when nothing is found').to.equal(512)
      expect(tree.next(root, 1024, LAST_INDEX, cursor)).to.equal(true)
      expect([cursor.index, cursor.after()]).to.deep.equal([LAST_INDEX - 511, 2 ** 32])
      expect(tree.next(root, cursor.after(), LAST_INDEX, cursor)).to.equal(false)
      expect(tree.conflict(root, 600, 0, cursor)).to.equal(true)
      expect(cursor.index).to.equal(512)
      expect(tree.conflict(root, 1024, 9, cursor)).to.equal(false)
      tree.setMark(root, 512, Mark.Dirty)
      expect(tree.nextMarked(root, 1023, LAST_INDEX, Mark.Dirty, cursor)).to.equal(true)
      expect(cursor.index).to.equal(512)
      expect(tree.nextMarked(root, 1024, LAST_INDEX, Mark.Dirty, cursor)).to.equal(false)
    })

    it('goes on from a marked neighbour as from the start', () => {
      const { tree, root } = treeBench(bits)
      const few = [0, 1, 2, 3, 5, 15, 16, 31, 32, 63, 64, 65, 200, 511, 1024, 1025, LAST_INDEX]
      for (const index of few) tree.store(root, index, 0, dataEntry(1 + (index % 1000), false))
      tree.store(root, 512, 9, dataEntry(2048, true))
      for (const index of [...few, 512]) if (index !== 32) tree.setMark(root, index, Mark.Dirty)
      const at = (cursor: Cursor): number[] => [cursor.index, cursor.order, cursor.entry, cursor.place]
      const [walk, hop] = [new Cursor(), new Cursor()]
      for (const last of [0, 2, 4, 17, 64, 300, 511, 700, 1024, 5000, LAST_INDEX - 1, LAST_INDEX]) {
        expect(tree.nextMarked(root, 0, last, Mark.Dirty, hop)).to.equal(true)
        for (let from = 0; tree.nextMarked(root, from, last, Mark.Dirty, walk); from = walk.after()) {
          expect(at(hop), `after ${from} up to ${last}`).to.deep.equal(at(walk))
          expect(walk.place).to.equal(tree.placeOf(root, walk.index))
          const more = tree.nextMarked(root, walk.after(), last, Mark.Dirty, new Cursor())
          expect(tree.nextMarkedNeighbour(root, last, Mark.Dirty, hop), `after ${walk.index}`).to.equal(more)
        }
      }
    })
  })
}

describe('radix tree misuse', () => {
  it('is a bug, with the tree in the message', () => {
    const { tree, root } = treeBench(6)
    tree.store(root, 7, 0, dataEntry(3, false))
    const misuses: (() => void)[] = [
      () => tree.store(root, 1, 9, emptyEntry(true)),
      () => tree.store(root, 0, 1, emptyEntry(false)),
      () => tree.store(root, 2 ** 32, 0, emptyEntry(false)),
      () => tree.store(root, -1, 0, emptyEntry(false)),
      () => tree.store(root, 0, 0, emptyEntry(true)),
      () => tree.store(root, 0, 0, nodePointer(1)),
      () => tree.store(root, 0, 0, siblingOf(1)),
      () => {
        tree.setMark(root, 8, Mark.Dirty)
      },
      () => {
        tree.clearMark(root, 2 ** 20, Mark.Dirty)
      },
      () => tree.conflict(root, 3, 9, new Cursor()),
    ]
    for (const misuse of misuses) expect(misuse).to.throw(BugError, '[7] 7: D4 pfn 3')
    for (const index of [-1, 2 ** 32, 0.5, NaN]) expect(() => tree.load(root, index)).to.throw(BugError)
  })
})
