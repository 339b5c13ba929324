/**
 * A sync of a file whose name was removed noted its unwritten blocks under that name, and the next file of the name
 * was opened with them.
 */
import { expect } from 'chai'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('unwritten blocks of a file without a name', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })

  beforeEach(() => (pool = new Pool({ capacity: 16 * PAGE })))
  afterEach(() => {
    pool.close()
  })

  it('are not those of the next file with the name', () => {
    const old = pool.holes(8)
    old.fallocate({ offset: 0, length: 8 * PAGE })
    pool.pmem.unlink(old.name)
    old.sync()
    const next = pool.holes(8, old.name)
    expect(next.stat().blocks).to.equal(0)
    expect(old.stat().blocks).to.equal(64)
  })

  it('stay with a file that took the name over', () => {
    const old = pool.holes(4)
    old.fallocate({ offset: 0, length: 4 * PAGE })
    const other = pool.holes(8, 'other.pm')
    other.fallocate({ offset: 0, length: 8 * PAGE })
    other.sync()
    pool.pmem.rename('other.pm', old.name)
    old.sync()
    old.close()
    other.close()
    expect(pool.pmem.open('a.pm').stat().blocks).to.equal(64)
  })
})
