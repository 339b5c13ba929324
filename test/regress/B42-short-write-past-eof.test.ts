/** A write that extends the file and then finds its source ending: size and blocks end where the bytes end. */
import { expect } from 'chai'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('an extending write that falls short', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B42, K105: leaves no blocks past EOF', () => {
    const pool = new Pool()
    const file = pool.holes(0)
    const source = pool.data(1, 'source.pm')
    const view = bytes(source.mmap({ length: 3 * PAGE }))
    const free = pool.pmem.stats().free
    expect(file.write(view, 0)).to.equal(PAGE)
    expect([file.size, file.stat().blocks]).to.deep.equal([PAGE, 8])
    expect(file.stat().extents.map(({ start, end }) => [start, end])).to.deep.equal([[0, PAGE]])
    expect(free - pool.pmem.stats().free).to.equal(PAGE)
    pool.close()
  })
})
