/** Whether a file is mapped at the moment says nothing about its entries: they stay when the mapping goes. */
import { expect } from 'chai'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a punch of a file that nobody maps any more', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B31, B35, K80: takes the entries all the same, dirty ones too', () => {
    const pool = new Pool()
    const file = pool.data(4)
    const mapping = file.mmap()
    const view = bytes(mapping)
    for (const page of [0, 1, 2]) view[page * PAGE] = 9
    mapping.unmap()
    file.fallocate({ mode: 'punch', offset: 0, length: 2 * PAGE })
    expect([file.stat().entries, file.stat().tags.dirty]).to.deep.equal([{ D4: 1 }, 1])
    const again = bytes(file.mmap())
    expect([0, 1, 2, 3].map((page) => again[page * PAGE])).to.deep.equal([0, 0, 9, 19])
    pool.close()
  })
})
