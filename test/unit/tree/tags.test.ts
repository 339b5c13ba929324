import { expect } from 'chai'
import { verifyTree } from '../../../lib/tree/dump.js'
import { dataEntry } from '../../../lib/tree/entry.js'
import { Mark } from '../../../lib/tree/root.js'
import { tagRangeForWriteback } from '../../../lib/tree/tags.js'
import { treeBench } from '../../support/tree.js'

const LAST_INDEX = 0xffffffff

for (const bits of [2, 3, 6]) {
  describe(`tagRangeForWriteback, ${2 ** bits} slots`, () => {
    it('tags the dirty entries of every range, and no other', () => {
      for (let first = 0; first < 140; first += 13) {
        for (const last of [first, first + 1, first + 31, first + 64, LAST_INDEX]) {
          const { tree, root } = treeBench(bits)
          const dirty = (index: number): boolean => index % 3 !== 1
          for (let index = 0; index < 140; index++) {
            tree.store(root, index, 0, dataEntry(index + 1, false))
            if (dirty(index)) tree.setMark(root, index, Mark.Dirty)
          }
          let expected = 0
          const count = tagRangeForWriteback(tree, root, first, last)
          for (let index = 0; index < 140; index++) {
            const chosen = dirty(index) && index >= first && index <= last
            expect(tree.getMark(root, index, Mark.ToWrite), `${first} ${last} ${index}`).to.equal(chosen)
            expect(tree.getMark(root, index, Mark.Dirty)).to.equal(dirty(index))
            if (chosen) expected++
          }
          expect(count).to.equal(expected)
          verifyTree(tree, root)
        }
      }
    })

    it('takes a 2 MiB entry when any of its pages is in the range', () => {
      for (const [first, last, chosen] of [
        [0, 511, 0],
        [1024, 2000, 0],
        [1023, 1023, 1],
        [0, 512, 1],
        [700, 701, 1],
      ] as const) {
        const { tree, root } = treeBench(bits)
        tree.store(root, 512, 9, dataEntry(512, true))
        tree.store(root, 2048, 9, dataEntry(1024, true))
        tree.setMark(root, 512, Mark.Dirty)
        expect(tagRangeForWriteback(tree, root, first, last)).to.equal(chosen)
        expect(tree.countMarked(root, Mark.ToWrite)).to.equal(chosen)
        verifyTree(tree, root)
      }
    })

    it('finds nothing in empty trees, clean trees, empty ranges and past the end', () => {
      const { tree, root } = treeBench(bits)
      expect(tagRangeForWriteback(tree, root, 0, LAST_INDEX)).to.equal(0)
      tree.store(root, 0, 0, dataEntry(1, false))
      expect(tagRangeForWriteback(tree, root, 0, LAST_INDEX)).to.equal(0)
      tree.setMark(root, 0, Mark.Dirty)
      expect(tagRangeForWriteback(tree, root, 1, 0)).to.equal(0)
      expect(tagRangeForWriteback(tree, root, 4096, LAST_INDEX)).to.equal(0)
      expect(tree.isMarked(root, Mark.ToWrite)).to.equal(false)
    })
  })
}
