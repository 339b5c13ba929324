import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { Cursor } from '../../../lib/tree/cursor.js'
import { dumpTree, verifyTree } from '../../../lib/tree/dump.js'
import { dataEntry, emptyEntry, lockedEntry, siblingOf, zeroEntry } from '../../../lib/tree/entry.js'
import { NodeWord } from '../../../lib/tree/node.js'
import { Mark, RootWord } from '../../../lib/tree/root.js'
import { type TreeBench, treeBench } from '../../support/tree.js'

/** node 1: shift 6, a child in slot 0 and a 2 MiB entry in slots 8 to 15. node 2: the leaf. */
function sample(): TreeBench {
  const bench = treeBench(6)
  bench.tree.store(bench.root, 512, 9, dataEntry(512, true))
  bench.tree.store(bench.root, 5, 0, lockedEntry(emptyEntry(false)))
  bench.tree.setMark(bench.root, 512, Mark.Dirty)
  return bench
}

describe('dumpTree', () => {
  it('draws nodes, entries, siblings and marks', () => {
    const { tree, root } = sample()
    expect(dumpTree(tree, root).split('\n')).to.deep.equal([
      'root 4: 2 entries, 513 pages, marks D',
      'node 1 shift 6 count 9 marks D',
      '  [0] node 2 shift 0 count 1',
      '    [5] 5: E4+L',
      '  [8..15] 512: D2M pfn 512 D',
    ])
  })

  it('draws each mark by itself', () => {
    const { tree, root } = treeBench(6)
    for (const index of [0, 1, 2]) tree.store(root, index, 0, dataEntry(index + 1, false))
    for (const index of [0, 2]) tree.setMark(root, index, Mark.Dirty)
    for (const index of [1, 2]) tree.setMark(root, index, Mark.ToWrite)
    const marks = dumpTree(tree, root).matchAll(/: D4 pfn \d( \w+)?$/gm)
    expect([...marks].map(([, mark]) => mark)).to.deep.equal([' D', ' W', ' DW'])
  })

  it('stays short', () => {
    const { tree, root } = treeBench(6)
    for (let index = 0; index < 1000; index++) tree.store(root, index, 0, zeroEntry(false))
    const lines = dumpTree(tree, root).split('\n')
    expect(lines.length).to.be.lessThan(420)
    expect(lines.at(-1)).to.equal('…')
  })
})

describe('verifyTree', () => {
  const damages: Record<string, (bench: TreeBench, top: number, leaf: number) => void> = {
    'wrong entry count': ({ words, root }) => words.set(root + RootWord.Entries, 3),
    'wrong page count': ({ words, root }) => words.set(root + RootWord.PmdEntries, 0),
    'root marks': ({ words, root }) => words.set(root + RootWord.Marks, 0),
    'head is not a node': ({ words, root }) => words.set(root + RootWord.Head, dataEntry(1, false)),
    'no such node': ({ words }, top) => words.set(top + NodeWord.Slots, (513 << 4) | 12),
    'wrong parent': ({ words }, _, leaf) => words.set(leaf + NodeWord.Parent, 2),
    'wrong offset': ({ words }, _, leaf) => words.set(leaf + NodeWord.Offset, 1),
    'wrong shift': ({ words }, _, leaf) => words.set(leaf + NodeWord.Shift, 6),
    'wrong count': ({ words }, _, leaf) => words.set(leaf + NodeWord.Count, 2),
    'node pointer in a leaf': ({ words }, _, leaf) => words.set(leaf + NodeWord.Slots + 5, (1 << 4) | 12),
    'is not its sibling': ({ pool }, top) => pool.format.setSlot(top, 15, 0),
    'sibling of no entry': ({ pool }, top) => pool.format.setSlot(top, 16, siblingOf(1)),
    'sibling outside its entry': ({ pool }, top) => pool.format.setSlot(top, 16, siblingOf(8)),
    'wrong level': ({ pool }, top) => pool.format.setSlot(top, 20, dataEntry(9, false)),
    'not aligned': ({ pool }, top) => pool.format.setSlot(top, 20, dataEntry(9, true)),
    'wrong marks': ({ pool }, top) => pool.format.raiseMark(top, Mark.ToWrite, 0),
    'zero or empty entry is dirty': ({ tree, root }) => {
      tree.setMark(root, 5, Mark.Dirty)
    },
    'needless detour': ({ pool, words, tree, root }, top) => {
      tree.clearMark(root, 512, Mark.Dirty)
      for (let slot = 8; slot < 16; slot++) pool.format.setSlot(top, slot, 0)
      words.set(top + NodeWord.Count, 1)
    },
    'node 2: empty': ({ pool, words }, _, leaf) => {
      pool.format.setSlot(leaf, 5, 0)
      words.set(leaf + NodeWord.Count, 0)
    },
  }
  for (const [message, damage] of Object.entries(damages)) {
    it(`reports: ${message}`, () => {
      const bench = sample()
      expect(verifyTree(bench.tree, bench.root)).to.equal(2)
      damage(bench, bench.pool.at(1), bench.pool.at(2))
      expect(() => verifyTree(bench.tree, bench.root)).to.throw(BugError, message)
    })
  }

  it('is not needed for a tree to notice a node pointer in a leaf', () => {
    const { tree, root, words, pool } = sample()
    words.set(pool.at(2) + NodeWord.Slots + 5, (1 << 4) | 12)
    expect(() => tree.load(root, 5)).to.throw(BugError, 'node pointer in a leaf')
    expect(() => tree.placeOf(root, 5)).to.throw(BugError, 'node pointer in a leaf')
    for (const wrong of [-1, 0.5, 2 ** 32]) {
      expect(() => tree.load(root, wrong)).to.throw(BugError, 'not a page index')
      expect(() => tree.placeOf(root, wrong)).to.throw(BugError, 'not a page index')
    }
    expect(() => tree.next(root, 0, 600, new Cursor())).to.throw(BugError, 'node pointer in a leaf')
  })

  it('reports a mark past the last slot of a small node', () => {
    const { tree, root, pool } = treeBench(2)
    tree.store(root, 0, 0, dataEntry(1, false))
    pool.format.raiseMark(pool.at(1), Mark.Dirty, 4)
    expect(() => verifyTree(tree, root)).to.throw(BugError, 'past the last slot')
  })
})
