/**
 * 1. Bytes are synced, others stored over them.
 * 2. A punch, or a zero range, is refused by media. The program is told.
 *
 * Failed by: the stores, which were dropped before media was asked, so that the synced bytes came back; a line that was
 * flushed and lost to the fence that came after; and zeroes in the cache of which no sync knew. Found by test/inject.
 */
import { expect } from 'chai'
import { type DaxFile, type DaxMapping, type Pmem, PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096

describe('regress: a punch that media refuses', () => {
  let pmem: Pmem
  let file: DaxFile
  let map: DaxMapping

  beforeEach(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory(), { inject: [] })
    file = pmem.open('a.pm', { create: true })
    file.write(Buffer.alloc(4 * PAGE, 1), 0)
    file.sync()
    map = file.mmap()
    new Uint8Array(map.buffer).fill(2)
    pmem.inject([{ operation: 'punch', error: 'EIO', nth: 1 }])
  })

  afterEach(() => pmem.close())

  for (const mode of ['punch', 'zero'] as const) {
    it(`${mode} of whole pages: stores stay, and the next sync writes them`, () => {
      expect(() => file.fallocate({ mode, offset: PAGE, length: 2 * PAGE })).to.throw(PmemError, /^EIO/)
      expect(new Uint8Array(map.buffer).every((byte) => byte === 2)).to.equal(true)
      pmem.verify()
      file.sync()
      pmem.crash()
      expect(new Uint8Array(map.buffer).every((byte) => byte === 2)).to.equal(true)
    })
  }

  it('a line that was flushed is durable with the fence all the same', () => {
    map.flush(PAGE, 64)
    expect(() => file.fallocate({ mode: 'punch', offset: PAGE, length: PAGE })).to.throw(PmemError, /^EIO/)
    pmem.fence()
    pmem.crash()
    expect([...new Uint8Array(map.buffer, PAGE, 64)]).to.deep.equal(Array<number>(64).fill(2))
  })

  it('a part of a page: zeroes, which the next sync writes', () => {
    file.sync()
    pmem.inject([{ operation: 'media-write', error: 'EIO', nth: 1 }])
    expect(() => file.fallocate({ mode: 'punch', offset: 100, length: 200 })).to.throw(PmemError, /^EIO/)
    const isZeroed = (): boolean => new Uint8Array(map.buffer, 100, 200).every((byte) => byte === 0)
    expect(isZeroed()).to.equal(true)
    pmem.verify()
    file.sync()
    pmem.crash()
    expect(isZeroed()).to.equal(true)
  })
})
