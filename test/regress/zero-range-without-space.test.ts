/** ZERO_RANGE that found no space for all of its blocks had zeroed what was there before it said so. */
import { expect } from 'chai'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('fallocate zero without space', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('changes nothing', () => {
    const pool = new Pool({ capacity: 16 * PAGE })
    const file = pool.data(8)
    const before = file.stat()
    expect(() => file.fallocate({ mode: 'zero', offset: 6 * PAGE, length: 14 * PAGE })).to.throw('ENOSPC')
    const page = Buffer.alloc(PAGE)
    file.read(page, 7 * PAGE)
    expect(page.every((byte) => byte === 16 + 7)).to.equal(true)
    expect(file.stat().blocks).to.equal(before.blocks)
    expect(file.size).to.equal(before.size)
    pool.close()
  })
})
