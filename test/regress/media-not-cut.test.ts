/**
 * 1. A file is synced, and truncated; media refuses to become shorter, and the program is told.
 * 2. It makes the file longer again: what was cut off must read zero.
 * 3. Or it syncs, successfully, and the file is opened again: it must have the size it had then.
 *
 * Failed by: the old bytes, which came back; and the old size, or that of a write that had fallen short. Found by
 * test/inject.
 */
import { expect } from 'chai'
import { type DaxFile, type Pmem, PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096

describe('regress: media that could not be cut', () => {
  let pool: string
  let pmem: Pmem
  let file: DaxFile

  beforeEach(function () {
    requireUserfaultfd(this)
    pool = temporaryDirectory()
    pmem = mount(pool, { inject: [] })
    file = pmem.open('a.pm', { create: true })
    file.write(Buffer.alloc(4 * PAGE, 7), 0)
    file.sync()
    pmem.inject([{ operation: 'resize', error: 'EIO', nth: 1 }])
    expect(() => file.truncate(PAGE + 100)).to.throw(PmemError, /^EIO/)
  })

  afterEach(() => pmem.close())

  it('K102 a file that grows again is zero there', () => {
    file.truncate(4 * PAGE)
    const bytes = Buffer.alloc(4 * PAGE, 1)
    expect(file.read(bytes, 0)).to.equal(4 * PAGE)
    expect(bytes.subarray(0, PAGE + 100).every((byte) => byte === 7)).to.equal(true)
    expect(bytes.subarray(PAGE + 100).every((byte) => byte === 0)).to.equal(true)
    pmem.verify()
  })

  it('a sync makes the cut, or fails too', () => {
    expect(file.size).to.equal(PAGE + 100)
    pmem.inject([{ operation: 'resize', error: 'EIO', nth: 1 }])
    expect(() => file.sync()).to.throw(PmemError, /^EIO/)
    file.sync()
    pmem.close()
    pmem = mount(pool)
    expect(pmem.open('a.pm').size).to.equal(PAGE + 100)
  })

  it('the last close makes it, or fails too', () => {
    pmem.inject([{ operation: 'resize', error: 'EIO', nth: 1 }])
    file.close()
    expect(() => pmem.close()).to.throw(PmemError, /^EIO/)
    pmem = mount(pool)
    expect(pmem.open('a.pm').size).to.equal(4 * PAGE)
  })
})
