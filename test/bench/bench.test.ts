/**
 * Every benchmark runs and both sides do the same work, with a few pages: so that they cannot rot. How fast they are is
 * for `npm run bench`; here only what holds on a busy machine is asserted.
 */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { FAULT_CASES, type FaultCase, FIGURE_CASES, operationOf } from './protocol.js'
import { environmentOf, renderReport } from './report.js'
import { type CaseResult, type FaultResult, type FigureResult, type RunOptions, pagesOf, runCase } from './runner.js'

const OPTIONS: RunOptions = { rounds: 1, pages: 256, warm: 64, syncs: 60, seed: 7, cpu: undefined }

describe('benchmarks', () => {
  const results: CaseResult[] = []

  before(function () {
    requireUserfaultfd(this)
  })

  for (const name of FAULT_CASES) {
    it(`${name}: TypeScript and C touch the same pages`, async () => {
      const result = (await runCase(name, OPTIONS, () => undefined)) as FaultResult
      results.push(result)
      expect(result.pages).to.equal(pagesOf(name, OPTIONS).pages)
      expect(result.hash).to.equal(expectedHash(name))
      expect(result.ratio).to.be.greaterThan(0)
    })
  }

  for (const name of FIGURE_CASES) {
    it(`${name}: runs and keeps generous bounds`, async () => {
      const scale = name === 'state' ? { pages: 4096 } : {}
      const result = (await runCase(name, { ...OPTIONS, ...scale }, () => undefined)) as FigureResult
      results.push(result)
      if (name === 'msync') expect(result.figures['ratio']?.median).to.be.within(0, 4)
      if (name === 'state') expect(result.figures['bytesPerPage']?.median).to.be.within(1, 15.99)
      if (name === 'sparse') expect(result.figures['totalMs']?.median).to.be.lessThan(2000)
    })
  }

  it('render a table with every figure', () => {
    const text = renderReport({ environment: environmentOf(OPTIONS), results })
    expect(text).to.include('mkwrite').and.include('1 TiB').and.include('1 GiB mapping').and.include(process.version)
    expect(text).not.to.include('NaN')
  })
})

/** What folding the first words of the measured pages must give, from the pattern of the data file or of the stores. */
function expectedHash(name: FaultCase): number {
  const { warm, pages } = pagesOf(name, OPTIONS)
  const op = operationOf(name)
  let hash = 0
  for (let page = warm; page < warm + pages; page++) {
    const data = Math.imul(page + 1, 0x9e3779b1) ^ OPTIONS.seed
    const word = op === 'hole-read' ? 0 : op === 'write' || op === 'mkwrite' ? page + 1 : data
    hash = Math.imul(hash ^ word, 0x01000193)
  }
  return hash >>> 0
}
