/** The build without the seam runs and does the same work; what it saves is for `npm run bench:seam`. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { measureSeam } from './seam.js'

describe('benchmark of the seam', function () {
  this.timeout(120_000)

  before(function () {
    requireUserfaultfd(this)
  })

  it('replaces every call on SharedWords, and faults and trees come out alike', async () => {
    const { replaced, results } = await measureSeam({ rounds: 1, pages: 64, warm: 64, cpu: undefined })
    expect(replaced).to.be.greaterThan(500)
    expect(results.map(({ kind }) => kind)).to.deep.equal(['read', 'write', 'minor', 'tree'])
    for (const { kind, ratio } of results) expect(ratio, kind).to.be.greaterThan(0)
  })
})
