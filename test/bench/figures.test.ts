/** Each case of `npm run bench:figures` runs, so that it cannot rot, and keeps bounds that hold on a busy machine. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { FIGURE_CASES } from './figures.js'
import { type FigureResult, renderFigures, runFigures } from './figures-main.js'

describe('figures of benchmarks', function () {
  this.timeout(60_000)
  const results: FigureResult[] = []

  before(function () {
    requireUserfaultfd(this)
  })

  for (const name of FIGURE_CASES) {
    it(`${name}: runs and keeps generous bounds`, async () => {
      const result = await runFigures(name, { rounds: 1, pages: 4096, turns: 6, seed: 7 })
      results.push(result)
      if (name === 'state') expect(result.figures['bytesPerPage']?.median).to.be.within(1, 15.99)
      if (name === 'sparse') expect(result.figures['totalMs']?.median).to.be.lessThan(2000)
      if (name === 'stores') expect(result.figures['persistRatio']?.median).to.be.greaterThan(0)
    })
  }

  it('render a table with every figure', () => {
    const text = renderFigures(results)
    expect(text).to.include('1 TiB').and.include('kernel state').and.include('Atomics.add')
    expect(text).not.to.include('NaN')
  })
})
