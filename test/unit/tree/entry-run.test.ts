import { expect } from 'chai'
import { dataEntry, emptyEntry, isLocked, lockedEntry, zeroEntry } from '../../../lib/tree/entry.js'
import { lockRun, unlockRun } from '../../../lib/tree/entry-run.js'
import { type TreeBench, treeBench } from '../../support/tree.js'

const ALL = (): boolean => true

describe('runs of entries', () => {
  let bench: TreeBench

  beforeEach(() => {
    bench = treeBench(3)
  })

  function fill(...indices: number[]): void {
    for (const index of indices) bench.tree.store(bench.root, index, 0, dataEntry(index + 1, false))
  }

  function lock(index: number, last: number, step: 1 | -1 = 1, choose = ALL): number {
    return lockRun(bench.tree, bench.root, index, last, step, choose, undefined)
  }

  function locked(from: number, to: number): number[] {
    const indices = Array.from({ length: to - from }, (_, i) => from + i)
    return indices.filter((index) => isLocked(bench.tree.load(bench.root, index)))
  }

  it('end with the range, in both directions', () => {
    fill(0, 1, 2, 3, 4, 5, 6, 7)
    expect(lock(2, 4)).to.equal(3)
    expect(locked(0, 8)).to.deep.equal([2, 3, 4])
    unlockRun(bench.tree, bench.root, 2, 3)
    expect(locked(0, 8)).to.deep.equal([])
    expect(lock(5, 3, -1)).to.equal(3)
    expect(locked(0, 8)).to.deep.equal([3, 4, 5])
  })

  it('end with the leaf', () => {
    fill(...Array.from({ length: 24 }, (_, i) => i))
    expect(lock(12, 20)).to.equal(4)
    expect(lock(11, 0, -1)).to.equal(4)
    expect(locked(0, 24)).to.deep.equal([8, 9, 10, 11, 12, 13, 14, 15])
  })

  it('end before what is missing, locked, no data, or not chosen', () => {
    for (const stop of [0, lockedEntry(dataEntry(9, false)), emptyEntry(false), zeroEntry(false)]) {
      fill(0, 1, 2, 3)
      bench.tree.store(bench.root, 2, 0, stop)
      expect(lock(0, 7), String(stop)).to.equal(2)
      unlockRun(bench.tree, bench.root, 0, 2)
    }
    fill(2)
    expect(lockRun(bench.tree, bench.root, 0, 7, 1, (last, entry) => entry !== last, dataEntry(2, false))).to.equal(1)
  })

  it('are empty where the tree has no leaf', () => {
    expect(lock(0, 7), 'an empty tree').to.equal(0)
    fill(0)
    expect(lock(8, 15), 'past what the tree can hold').to.equal(0)
    fill(64)
    expect(lock(8, 15), 'no child there').to.equal(0)
    bench.tree.store(bench.root, 512, 9, dataEntry(512, true))
    expect(lock(520, 527), 'inside 2 MiB').to.equal(0)
    expect(locked(0, 1024)).to.deep.equal([])
  })
})
