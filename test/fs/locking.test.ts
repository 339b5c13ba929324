/** The mount option `locking` and its like, on real mappings. In full: npm run test:locking. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { LOCKING_NAMES } from '../../lib/config.js'
import { mount } from '../../lib/index.js'
import { runScenarios } from '../../lib/replay/runner.js'
import { parseScenarios } from '../../lib/replay/scenario.js'
import { judge, readKernels, readScenarioText } from '../oracle/compare.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import type { ThreadTask } from './thread.fixture.js'

const PAGE = 4096
const PAGES = 32
/** Every so many of the oracle's scenarios; all of them: npm run test:locking. */
const SCENARIO_STEP = 12

describe('mount option locking', function () {
  this.timeout(60_000)
  const variable = process.env['FAULTLINE_LOCKING']

  before(function () {
    requireUserfaultfd(this)
  })
  afterEach(() => {
    if (variable === undefined) delete process.env['FAULTLINE_LOCKING']
    else process.env['FAULTLINE_LOCKING'] = variable
  })

  it('is entry, what FAULTLINE_LOCKING says, or what the call says, and nothing else', () => {
    const designOf = (options?: Parameters<typeof mount>[1]): string => {
      using pmem = mount(temporaryDirectory(), options)
      return pmem.stats().locking
    }
    delete process.env['FAULTLINE_LOCKING']
    expect(designOf()).to.equal('entry')
    process.env['FAULTLINE_LOCKING'] = 'range'
    expect([designOf(), designOf({ locking: 'inode' })]).to.deep.equal(['range', 'inode'])
    expect(() => mount(temporaryDirectory(), { locking: 'none' as 'entry' })).to.throw('locking')
    process.env['FAULTLINE_LOCKING'] = 'none'
    expect(() => mount(temporaryDirectory())).to.throw('FAULTLINE_LOCKING')
  })

  it('goes with faultBatch and mediaLatency: a fill takes at least that long, and only a fill', () => {
    expect(() => mount(temporaryDirectory(), { faultBatch: 0 })).to.throw(RangeError)
    expect(() => mount(temporaryDirectory(), { mediaLatency: -1 })).to.throw(RangeError)
    using pmem = mount(temporaryDirectory(), { faultBatch: 1, mediaLatency: 250_000, hugePages: false })
    const file = pmem.open('slow.pm', { create: true, size: 8 * PAGE })
    const timed = (access: () => void): number => {
      const start = performance.now()
      access()
      return performance.now() - start
    }
    file.write(Buffer.alloc(PAGE, 7), 0)
    file.sync()
    pmem.crash()
    const map = file.mmap()
    const bytes = new Uint8Array(map.buffer)
    expect(
      timed(() => expect(bytes[0]).to.equal(7)),
      'a fill',
    ).to.be.at.least(249)
    map.madvise('dontneed')
    expect(
      timed(() => expect(bytes[0]).to.equal(7)),
      'in the cache already',
    ).to.be.below(240)
    expect(
      timed(() => (bytes[PAGE] = 1)),
      'a hole has nothing to read',
    ).to.be.below(240)
  })

  for (const locking of LOCKING_NAMES) {
    it(`${locking}: threads lose no store while others truncate, punch and sync`, async () => {
      using pmem = mount(temporaryDirectory(), { maxThreads: 16, faultWorkers: 3, locking })
      const file = pmem.open('shared.pm', { create: true, size: PAGES * PAGE })
      const storm = pmem.open('storm.pm', { create: true, size: PAGES * PAGE })
      const control = new SharedArrayBuffer(8)
      const task = { handle: pmem.handle, threads: 2, seed: seedFor(locking), rounds: 60, control }
      const run = (more: Pick<ThreadTask, 'kind' | 'thread'>): Worker =>
        new Worker(new URL('./thread.fixture.js', import.meta.url), { workerData: { ...task, ...more } })
      const workers = [0, 1].map((thread) => run({ kind: 'shadow', thread }))
      const ended = workers.map((worker) => once(worker, 'exit'))
      const results = Promise.all(workers.map((worker) => once(worker, 'message')))
      let done = false
      void results.then(() => (done = true))
      const bytes = new Uint8Array(storm.mmap().buffer)
      for (let round = 0; !done; round++) {
        // The file of the others: to the size it has, which unmaps all of it.
        file.truncate(PAGES * PAGE)
        bytes[(round % PAGES) * PAGE] = 1
        storm.fallocate({ mode: 'punch', offset: (round % PAGES) * PAGE, length: PAGE })
        expect(bytes[(round % PAGES) * PAGE]).to.equal(0)
        await new Promise(setImmediate)
      }
      expect((await results).map(([{ wrong }]) => wrong as number)).to.deep.equal([0, 0])
      await Promise.all(ended)
    })
  }

  for (const locking of ['range', 'inode'] as const) {
    it(`${locking}: every ${SCENARIO_STEP}th scenario answers as a real kernel does`, async () => {
      process.env['FAULTLINE_LOCKING'] = locking
      const scenarios = parseScenarios(readScenarioText()).filter((_, i) => i % SCENARIO_STEP === 0)
      const kernels = readKernels().filter(({ name }) => name.startsWith('ext4'))
      const wrong: string[] = []
      await runScenarios(scenarios, {
        flavour: 'ext4',
        onResult: ({ name, records, failure }) => {
          const { differences } = judge(name, records as unknown as Parameters<typeof judge>[1], kernels, 3)
          if (failure !== undefined || differences.length > 0) wrong.push(`${name}: ${failure ?? differences[0] ?? ''}`)
        },
      })
      expect(wrong).to.deep.equal([])
    })
  }
})
