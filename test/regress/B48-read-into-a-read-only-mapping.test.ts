/** t_mmap_write_ro of xfstests: read(2) into a mapping that may not be written. */
import { expect } from 'chai'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('read into a read-only mapping', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B48, K105: is EFAULT, and the file of the mapping stays as it is', () => {
    const pool = new Pool()
    const file = pool.data(2)
    pool.data(2, 'target.pm').close()
    const target = pool.pmem.open('target.pm', { readOnly: true })
    const view = bytes(target.mmap({ protection: 'r' }))
    expect([view[0], view[PAGE]], 'present in the page table').to.deep.equal([16, 17])
    expect(() => file.read(view.subarray(0, PAGE), PAGE)).to.throw('EFAULT')
    expect([view[0], view[PAGE], target.stat().tags.dirty]).to.deep.equal([16, 17, 0])
    pool.close()
  })
})
