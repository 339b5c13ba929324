import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('names', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('rename over a mapped file leaves its mapping what it was', () => {
    const pool = temporaryDirectory()
    {
      using pmem = mount(pool, { capacity: '16MiB' })
      const old = pmem.open('a', { create: true })
      old.write(Uint8Array.of(1), 0)
      const bytes = new Uint8Array(old.mmap().buffer)
      pmem.open('b', { create: true }).write(Uint8Array.of(2), 0)
      pmem.rename('b', 'a')
      expect(pmem.list()).to.deep.equal(['a'])
      expect(bytes[0]).to.equal(1)
      const content = new Uint8Array(1)
      pmem.open('a').read(content, 0)
      expect(content[0]).to.equal(2)
    }
    using again = mount(pool, { capacity: '16MiB' })
    expect(again.open('a').size).to.equal(1)
  })

  it('unwritten blocks go with the new name', () => {
    const pool = temporaryDirectory()
    {
      using pmem = mount(pool, { capacity: '16MiB' })
      const file = pmem.open('a', { create: true })
      file.fallocate({ offset: 0, length: 8192 })
      file.sync()
      pmem.rename('a', 'b')
    }
    using again = mount(pool, { capacity: '16MiB' })
    expect(again.open('b').stat().blocks).to.equal(16)
  })

  it('unlink of a file nobody has opened gives its blocks back', () => {
    const pool = temporaryDirectory()
    writeFileSync(join(pool, 'a'), new Uint8Array(2 ** 20))
    using pmem = mount(pool, { capacity: '16MiB' })
    const { free } = pmem.stats()
    pmem.unlink('a')
    expect(pmem.stats().free).to.equal(free + 2 ** 20)
  })

  it('a name that is not there is ENOENT; names are checked', () => {
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB' })
    expect(() => pmem.rename('a', 'b')).to.throw(/ENOENT/)
    expect(() => pmem.unlink('a')).to.throw(/ENOENT/)
    expect(() => pmem.rename('a', '../b')).to.throw(RangeError)
    pmem.open('a', { create: true })
    pmem.rename('a', 'a')
    expect(pmem.list()).to.deep.equal(['a'])
  })
})
