/** The radix tree against a plain Map: every result equal, every invariant verified after each step. */
import { expect } from 'chai'
import fc from 'fast-check'
import { BugError } from '../../lib/assert.js'
import { Cursor } from '../../lib/tree/cursor.js'
import { dumpTree, verifyTree } from '../../lib/tree/dump.js'
import { dataEntry, emptyEntry, isData, lockedEntry, orderOf, zeroEntry } from '../../lib/tree/entry.js'
import { Mark } from '../../lib/tree/root.js'
import { tagRangeForWriteback } from '../../lib/tree/tags.js'
import { seedFor } from '../support/seed.js'
import { type TreeBench, treeBench } from '../support/tree.js'

interface Item {
  entry: number
  readonly order: number
  dirty: boolean
  toWrite: boolean
}

interface Step {
  readonly verb: 'store' | 'erase' | 'mark' | 'unmark' | 'scan' | 'marked' | 'conflict' | 'tag'
  readonly index: number
  /** Length of a range; its end is clipped to the last index. */
  readonly length: number
  readonly order: number
  readonly kind: number
  readonly pfn: number
  readonly toWrite: boolean
}

const LAST_INDEX = 0xffffffff
const PMD = 512

/** Crowded on purpose: three neighbouring 2 MiB ranges, one far away, and the very end of the index space. */
const index = fc
  .tuple(
    fc.constantFrom(0, 0, 512, 1024, 0x12345600, 0x80000000, LAST_INDEX - 511),
    fc.oneof(fc.constantFrom(0, 1, 255, 510, 511), fc.nat(511), fc.nat(7)),
  )
  .map(([region, offset]) => region + offset)

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom(
    'store',
    'store',
    'store',
    'erase',
    'erase',
    'mark',
    'mark',
    'unmark',
    'scan',
    'marked',
    'conflict',
    'tag',
  ),
  index,
  length: fc.oneof(fc.constantFrom(1, 2, 512, LAST_INDEX), fc.integer({ min: 1, max: 1600 })),
  order: fc.constantFrom(0, 0, 0, 9),
  kind: fc.nat(5),
  pfn: fc.integer({ min: 1, max: 2 ** 28 - 1 }),
  toWrite: fc.boolean(),
})

class Model {
  readonly items = new Map<number, Item>()
  readonly cursor = new Cursor()

  constructor(readonly bench: TreeBench) {}

  /** First index and item of the entry that answers for `at`. */
  covering(at: number): [number, Item] | undefined {
    const item = this.items.get(at)
    if (item !== undefined) return [at, item]
    const pmd = this.items.get(at - (at % PMD))
    return pmd?.order === 9 ? [at - (at % PMD), pmd] : undefined
  }

  overlapping(first: number, last: number): [number, Item][] {
    return [...this.items]
      .filter(([start, item]) => start <= last && start + 2 ** item.order > first)
      .sort(([a], [b]) => a - b)
  }

  run(it: Step): void {
    const { tree, root } = this.bench
    const last = Math.min(it.index + it.length - 1, LAST_INDEX)
    if (it.verb === 'store') this.store(it)
    else if (it.verb === 'erase') this.erase(it)
    else if (it.verb === 'mark' || it.verb === 'unmark') this.mark(it)
    else if (it.verb === 'scan') this.scan(it.index, last, undefined)
    else if (it.verb === 'marked') this.scan(it.index, last, it.toWrite ? Mark.ToWrite : Mark.Dirty)
    else if (it.verb === 'conflict') this.conflict(it)
    else {
      const dirty = this.overlapping(it.index, last).filter(([, item]) => item.dirty)
      for (const [, item] of dirty) item.toWrite = true
      expect(tagRangeForWriteback(tree, root, it.index, last)).to.equal(dirty.length)
    }
  }

  store(it: Step): void {
    const { tree, root, pool } = this.bench
    const at = it.order === 9 ? it.index - (it.index % PMD) : it.index
    const entry = entryOf(it)
    const there = this.overlapping(at, at + 2 ** it.order - 1)
    const before = dumpTree(tree, root)
    const inUse = pool.inUse
    if (there.some(([, item]) => item.order !== it.order)) {
      expect(() => tree.store(root, at, it.order, entry)).to.throw(BugError)
      expect(dumpTree(tree, root)).to.equal(before)
      return
    }
    const item = there[0]?.[1]
    // K6: nothing turns a dirty entry into a zero or empty one; the model does as dax does and does not try.
    if (item?.dirty === true && !isData(entry)) return
    const result = tree.store(root, at, it.order, entry)
    if (result === 0) {
      if (item === undefined) this.items.set(at, { entry, order: it.order, dirty: false, toWrite: false })
      else item.entry = entry
      return
    }
    expect(result).to.equal(-12)
    expect(item, 'a replacing store needs no memory').to.equal(undefined)
    expect(dumpTree(tree, root)).to.equal(before)
    expect(pool.inUse).to.equal(inUse)
  }

  erase(it: Step): void {
    const { tree, root } = this.bench
    const [start, item] = this.covering(it.index) ?? [it.index, undefined]
    expect(tree.store(root, start, item?.order ?? 0, 0)).to.equal(0)
    this.items.delete(start)
  }

  mark(it: Step): void {
    const { tree, root } = this.bench
    const item = this.covering(it.index)?.[1]
    const set = it.verb === 'mark'
    const mark = it.toWrite ? Mark.ToWrite : Mark.Dirty
    if (item === undefined) {
      expect(() => {
        if (set) tree.setMark(root, it.index, mark)
        else tree.clearMark(root, it.index, mark)
      }).to.throw(BugError)
      return
    }
    if (set && mark === Mark.Dirty && !isData(item.entry)) return
    if (set) tree.setMark(root, it.index, mark)
    else tree.clearMark(root, it.index, mark)
    if (it.toWrite) item.toWrite = set
    else item.dirty = set
  }

  scan(first: number, last: number, mark: Mark | undefined): void {
    const { tree, root } = this.bench
    const { cursor } = this
    const expected = this.overlapping(first, last)
      .filter(([, item]) => mark === undefined || (mark === Mark.Dirty ? item.dirty : item.toWrite))
      .map(([start, item]) => [start, item.order, item.entry])
    const found: number[][] = []
    let from = first
    while (mark === undefined ? tree.next(root, from, last, cursor) : tree.nextMarked(root, from, last, mark, cursor)) {
      expect(cursor.after(), 'progress').to.be.greaterThan(from)
      found.push([cursor.index, cursor.order, cursor.entry])
      from = cursor.after()
    }
    expect(found).to.deep.equal(expected)
  }

  conflict(it: Step): void {
    const { tree, root } = this.bench
    const at = it.order === 9 ? it.index - (it.index % PMD) : it.index
    const expected = this.overlapping(at, at + 2 ** it.order - 1)[0]
    expect(tree.conflict(root, at, it.order, this.cursor)).to.equal(expected !== undefined)
    if (expected !== undefined) {
      expect([this.cursor.index, this.cursor.entry]).to.deep.equal([expected[0], expected[1].entry])
    }
  }

  /** Everything observable, and everything that should hold inside. */
  compare(around: number): void {
    const { tree, root, pool } = this.bench
    expect(verifyTree(tree, root)).to.equal(pool.inUse)
    const items = [...this.items.values()]
    expect(tree.isEmpty(root)).to.equal(items.length === 0)
    expect(tree.entryCount(root)).to.equal(items.length)
    expect(tree.pageCount(root)).to.equal(items.reduce((sum, item) => sum + 2 ** item.order, 0))
    expect(tree.isMarked(root, Mark.Dirty)).to.equal(items.some((item) => item.dirty))
    expect(tree.countMarked(root, Mark.ToWrite)).to.equal(items.filter((item) => item.toWrite).length)
    for (const at of [around - 1, around, around + 1, around ^ PMD, around ^ 0x80000000]) {
      const probe = at >>> 0
      const item = this.covering(probe)?.[1]
      expect(tree.load(root, probe)).to.equal(item?.entry ?? 0)
      expect(tree.getMark(root, probe, Mark.Dirty)).to.equal(item?.dirty ?? false)
      expect(tree.getMark(root, probe, Mark.ToWrite)).to.equal(item?.toWrite ?? false)
    }
  }

  /** Erase all, and nothing may be left. */
  drain(): void {
    const { tree, root, pool } = this.bench
    for (const [start, item] of this.items) {
      tree.store(root, start, item.order, 0)
      verifyTree(tree, root)
    }
    expect(tree.isEmpty(root)).to.equal(true)
    expect(pool.inUse).to.equal(0)
  }
}

function entryOf(it: Step): number {
  const pmd = it.order === 9
  const base = it.kind === 0 ? zeroEntry(pmd) : it.kind === 1 ? emptyEntry(pmd) : dataEntry(it.pfn, pmd)
  const entry = it.pfn % 3 === 0 ? lockedEntry(base) : base
  expect(orderOf(entry)).to.equal(it.order)
  return entry
}

describe('tree model', () => {
  const runs = 40
  for (const bits of [2, 3, 4, 5, 6]) {
    // A pool too small for the far regions as well: exhaustion is part of the everyday mix.
    for (const capacity of [400, bits === 2 ? 24 : 9]) {
      const title = `agrees with a Map: ${2 ** bits} slots, ${capacity} nodes`
      it(title, () => {
        const steps = fc.array(step, { minLength: 60, maxLength: 120 })
        const property = fc.property(steps, (list) => {
          const model = new Model(treeBench(bits, capacity))
          for (const next of list) {
            model.run(next)
            model.compare(next.index)
          }
          model.drain()
        })
        fc.assert(property, { seed: seedFor(title), numRuns: runs })
      })
    }
  }
})
