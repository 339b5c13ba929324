/** ExtentTree against a Map from key to what it says, with pools so small that they run out all the time. */
import { expect } from 'chai'
import fc from 'fast-check'
import { ExtentCursor } from '../../lib/tree/extent-tree.js'
import { seedFor } from '../support/seed.js'
import { copyOf, extentsOf, treeFixture, type Extent, type TreeFixture } from '../unit/tree/extent-fixture.js'

const KEYS = 96
const RUNS = 150
const ENOSPC = -28

type Model = Map<number, { value: number; state: number }>

interface Step {
  kind: 'insert' | 'remove' | 'shift' | 'clear'
  start: number
  length: number
  /** Values are key + base, so that few bases make many neighbours go on. */
  base: number
  state: number
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.oneof(
      { weight: 12, arbitrary: fc.constant('insert' as const) },
      { weight: 6, arbitrary: fc.constant('remove' as const) },
      { weight: 2, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('clear' as const) },
    ),
    start: fc.nat(KEYS - 1),
    length: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.integer({ min: 1, max: 40 })),
    base: fc.constantFrom(1000, 1000, 2000),
    state: fc.constantFrom(1, 1, 2),
  }),
  { minLength: 80, maxLength: 160, size: 'max' },
)

function extentsOfModel(model: Model, valueless: boolean): Extent[] {
  const extents: Extent[] = []
  for (const key of [...model.keys()].sort((a, b) => a - b)) {
    const { value, state } = model.get(key) as { value: number; state: number }
    const last = extents.at(-1)
    const goesOn = last !== undefined && last.start + last.length === key && last.state === state
    if (goesOn && (valueless || last.value + last.length === value)) last.length++
    else extents.push({ start: key, length: 1, value, state })
  }
  return extents
}

function moved(model: Model, from: number, delta: number): Model {
  return new Map([...model].map(([key, said]) => [key >= from ? key + delta : key, said]))
}

/** Do the step on the tree. Return: the result, and what the model becomes when it succeeds. */
function apply({ tree, root }: TreeFixture, model: Model, step: Step, valueless: boolean): [number, Model] {
  const { start, length, base, state } = step
  const next = new Map(model)
  switch (step.kind) {
    case 'insert':
      for (let key = start; key < start + length; key++) next.set(key, { value: valueless ? 0 : key + base, state })
      return [tree.insert(root, start, length, valueless ? 0 : start + base, state), next]
    case 'remove':
      for (let key = start; key < start + length; key++) next.delete(key)
      return [tree.remove(root, start, length), next]
    case 'clear':
      tree.clear(root)
      return [0, new Map<number, never>()]
    case 'shift': {
      // Keys stay small: close a gap where there is one, else open one of a few keys.
      const isGap = ![...model.keys()].some((key) => key >= start && key < start + length)
      const [from, delta] = isGap ? [start + length, -length] : [start, (length % 3) + 1]
      return [tree.shift(root, from, delta), moved(model, from, delta)]
    }
  }
}

function checkLookUps({ tree, root }: TreeFixture, expected: Extent[], key: number): void {
  const cursor = new ExtentCursor()
  const containing = expected.find(({ start, length }) => start <= key && key < start + length)
  const following = expected.find(({ start, length }) => start + length > key)
  const before = expected.findLast(({ start }) => start < key)
  expect(tree.find(root, key, cursor) ? copyOf(cursor) : undefined, `find ${key}`).to.deep.equal(containing)
  expect(tree.findFrom(root, key, cursor) ? copyOf(cursor) : undefined, `findFrom ${key}`).to.deep.equal(following)
  expect(tree.previous(root, key, cursor) ? copyOf(cursor) : undefined, `previous ${key}`).to.deep.equal(before)
}

/** Return: how often the pool was exhausted. */
function run(sequence: Step[], capacity: number, valueless: boolean): number {
  const fixture = treeFixture(capacity, valueless)
  const { tree, root, otherRoot, pool } = fixture
  tree.insert(otherRoot, 0, 1, 0, 1)
  let model: Model = new Map()
  let exhausted = 0
  for (const step of sequence) {
    const free = capacity - pool.inUse
    const [result, next] = apply(fixture, model, step, valueless)
    if (result === 0) model = next
    else {
      expect(result).to.equal(ENOSPC)
      const grows = extentsOfModel(next, valueless).length - extentsOfModel(model, valueless).length
      expect(grows, 'fails only when the result does not fit').to.be.above(free)
      exhausted++
    }
    const expected = extentsOfModel(model, valueless)
    expect(extentsOf(tree, root)).to.deep.equal(expected)
    tree.verify(root)
    expect(pool.inUse).to.equal(expected.length + 1)
    expect(tree.count(root)).to.equal(expected.length)
    expect(tree.totalLength(root)).to.equal(model.size)
    checkLookUps(fixture, expected, step.start)
  }
  return exhausted
}

describe('model: media/extent-tree', function () {
  this.timeout(60_000)

  for (const valueless of [false, true]) {
    it(`behaves as a map of keys (${valueless ? 'valueless' : 'with values'})`, () => {
      const property = fc.property(steps, (sequence) => void run(sequence, 1000, valueless))
      fc.assert(property, { seed: seedFor(`extents ${String(valueless)}`), numRuns: RUNS })
    })

    it(`changes nothing when its pool runs out (${valueless ? 'valueless' : 'with values'})`, () => {
      let exhausted = 0
      const property = fc.property(steps, fc.integer({ min: 2, max: 8 }), (sequence, capacity) => {
        exhausted += run(sequence, capacity, valueless)
      })
      fc.assert(property, { seed: seedFor(`exhaustion ${String(valueless)}`), numRuns: RUNS })
      expect(exhausted, 'the test must reach what it tests').to.be.above(100)
    })
  }
})
