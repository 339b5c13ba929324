/**
 * 1. open(name, { create: true, size }) makes the media file.
 * 2. Giving it its size, or mapping it, fails (EFBIG, ENOMEM).
 *
 * Failed by: open threw, and an empty file of that name stayed in the pool; the next open found it, with size 0.
 */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: an open that fails after it made the file', () => {
  it('leaves none', function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    expect(() => pmem.open('a.pm', { create: true, size: 2 ** 53 - 1 })).to.throw(Error)
    expect(() => pmem.open('b.pm', { create: true, size: 4096, maxSize: 2 ** 52 })).to.throw(Error)
    expect(pmem.list()).to.deep.equal([])
    expect(pmem.open('a.pm', { create: true, size: 4096 }).size).to.equal(4096)
    pmem.close()
  })
})
