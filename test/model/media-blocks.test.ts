/**
 * BlockMap and PfnAllocator, two files on one small device, against a Map from page to (state, pfn).
 *
 * The model does not know where pages go. It checks what must hold wherever they go: a block keeps its pfn, no pfn is
 * in two places, capacity is what it says, and failure leaves everything as it was.
 */
import { expect } from 'chai'
import fc from 'fast-check'
import { BlockCursor, BlockState } from '../../lib/media/block-map.js'
import { FIRST_PFN } from '../../lib/media/pfn-allocator.js'
import { seedFor } from '../support/seed.js'
import { deviceFixture, type DeviceFixture } from '../unit/media/device-fixture.js'

const PAGES = 1600
const RUNS = 60

interface Block {
  state: BlockState
  pfn: number
}

interface Step {
  kind: 'allocate' | 'range' | 'huge' | 'convert' | 'free' | 'reopen'
  file: number
  pgoff: number
  count: number
  state: BlockState.Unwritten | BlockState.Written
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.oneof(
      { weight: 10, arbitrary: fc.constant('allocate' as const) },
      { weight: 3, arbitrary: fc.constant('range' as const) },
      { weight: 4, arbitrary: fc.constant('huge' as const) },
      { weight: 3, arbitrary: fc.constant('convert' as const) },
      { weight: 4, arbitrary: fc.constant('free' as const) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    ),
    file: fc.nat(1),
    pgoff: fc.oneof(fc.nat(PAGES - 1), fc.integer({ min: 500, max: 530 })),
    count: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 9 }) }, fc.integer({ min: 1, max: 700 })),
    state: fc.constantFrom(BlockState.Unwritten, BlockState.Written),
  }),
  { minLength: 50, maxLength: 120, size: 'max' },
)

class Checked {
  readonly files = [new Map<number, Block>(), new Map<number, Block>()] as const
  readonly seen = { noSpace: 0, huge: 0 }

  constructor(
    readonly device: DeviceFixture,
    readonly capacity: number,
  ) {}

  step(step: Step): void {
    const model = this.files[step.file as 0 | 1]
    const { map } = this.device
    const { file, pgoff, count, state } = step
    switch (step.kind) {
      case 'allocate':
        if (model.has(pgoff)) return
        this.#expectSpace(map.allocate(file, pgoff, state), 1, model, [pgoff, pgoff + 1], state)
        return
      case 'range': {
        const holes = this.#holes(model, pgoff, count)
        this.#expectSpace(map.allocateRange(file, pgoff, count, state), holes, model, [pgoff, pgoff + count], state)
        return
      }
      case 'huge':
        this.#huge(model, file, pgoff - (pgoff % 512), state)
        return
      case 'convert':
        expect(map.convert(file, pgoff, count)).to.equal(0)
        for (let at = pgoff; at < pgoff + count; at++) {
          const block = model.get(at)
          if (block !== undefined) block.state = BlockState.Written
        }
        return
      case 'free':
        expect(map.free(file, pgoff, count)).to.equal(0)
        for (let at = pgoff; at < pgoff + count; at++) model.delete(at)
        return
      case 'reopen':
        this.#reopen(model, file)
    }
  }

  #holes(model: Map<number, Block>, pgoff: number, count: number): number {
    let holes = 0
    for (let at = pgoff; at < pgoff + count; at++) if (!model.has(at)) holes++
    return holes
  }

  #expectSpace(result: number, needed: number, model: Map<number, Block>, range: number[], state: BlockState): void {
    const [from = 0, end = 0] = range
    const free = this.capacity - this.files[0].size - this.files[1].size
    expect(result >= 0, `${needed} pages of ${free} free`).to.equal(needed <= free)
    if (result < 0) this.seen.noSpace++
    else for (let at = from; at < end; at++) if (!model.has(at)) model.set(at, { state, pfn: 0 })
  }

  #huge(
    model: Map<number, Block>,
    file: number,
    pgoff: number,
    state: BlockState.Unwritten | BlockState.Written,
  ): void {
    if (this.#holes(model, pgoff, 512) < 512) return
    const pfn = this.device.map.allocateHuge(file, pgoff, state)
    if (pfn < 0) return
    this.seen.huge++
    expect(pfn % 512).to.equal(0)
    for (let page = 0; page < 512; page++) model.set(pgoff + page, { state, pfn: pfn + page })
  }

  /** Close the file and open it again: written where it had blocks, with numbers of the allocator's choice. */
  #reopen(model: Map<number, Block>, file: number): void {
    const { map, pfns } = this.device
    const free = pfns.freePages
    map.unload(file)
    expect([pfns.freePages, pfns.reservedPages]).to.deep.equal([free, model.size])
    const pages = [...model.keys()].sort((a, b) => a - b)
    for (let first = 0, last = 0; first < pages.length; first = ++last) {
      while (pages[last + 1] === (pages[last] as number) + 1) last++
      expect(map.load(file, pages[first] as number, (pages[last] as number) + 1)).to.equal(0)
    }
    for (const pgoff of pages) model.set(pgoff, { state: BlockState.Written, pfn: 0 })
  }

  /** Compare everything; a pfn the model does not know yet is learned, and must stay from then on. */
  check(): void {
    const { map, pfns, tree } = this.device
    const cursor = new BlockCursor()
    const used = new Set<number>()
    for (const file of [0, 1] as const) {
      tree.verify(file)
      const model = this.files[file]
      expect(map.blocks(file)).to.equal(model.size)
      for (const [pgoff, block] of model) {
        const state = map.lookup(file, pgoff, cursor)
        if (block.pfn === 0) block.pfn = cursor.pfn
        used.add(block.pfn)
        // An expectation for each page would take most of the time of the test.
        if (state === block.state && cursor.pfn === block.pfn) continue
        expect({ state, pfn: cursor.pfn }, `file ${file} page ${pgoff}`).to.deep.equal(block)
      }
      for (const pgoff of [0, 512, 1024]) this.#checkHuge(file, model, pgoff)
    }
    for (const pfn of used) if (pfn < FIRST_PFN || pfn >= FIRST_PFN + this.capacity) expect.fail(`pfn ${pfn}`)
    expect(used.size, 'no pfn in two places').to.equal(this.files[0].size + this.files[1].size)
    expect(pfns.freePages).to.equal(this.capacity - used.size)
    expect(pfns.reservedPages).to.equal(0)
    pfns.verify()
  }

  #checkHuge(file: number, model: Map<number, Block>, pgoff: number): void {
    const first = model.get(pgoff)?.pfn ?? 0
    let isHuge = first !== 0 && first % 512 === 0
    for (let page = 0; page < 512 && isHuge; page++) {
      const block = model.get(pgoff + page)
      isHuge = block?.state === BlockState.Written && block.pfn === first + page
    }
    expect(this.device.map.isContiguous2M(file, pgoff)).to.equal(isHuge ? first : 0)
  }
}

describe('model: media/block-map', function () {
  this.timeout(60_000)

  for (const capacity of [300, 1800, 3 * 2048]) {
    it(`behaves as a map of pages on a device of ${capacity} pages`, () => {
      const seen = { noSpace: 0, huge: 0 }
      const property = fc.property(steps, (sequence) => {
        const checked = new Checked(deviceFixture(capacity, 4096), capacity)
        for (const step of sequence) {
          checked.step(step)
          checked.check()
        }
        seen.noSpace += checked.seen.noSpace
        seen.huge += checked.seen.huge
      })
      fc.assert(property, { seed: seedFor(`blocks ${capacity}`), numRuns: RUNS })
      if (capacity < 1000) expect(seen.noSpace, 'the test must reach a full device').to.be.above(5)
      else expect(seen.huge, 'the test must reach 2 MiB runs').to.be.above(5)
    })
  }
})
