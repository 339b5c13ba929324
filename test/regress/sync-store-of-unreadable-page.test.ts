/**
 * 1. A file has a page that is on media and not in the cache, and metadata that is not committed.
 * 2. A program stores to the page through a MAP_SYNC mapping: the metadata is committed, then the page is mapped.
 * 3. Media cannot be read.
 *
 * Failed by: nothing. The error was dropped, nobody answered the fault, and the program slept for ever. Found by the
 * stress workload 'failing'.
 */
import { expect } from 'chai'
import { PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: a MAP_SYNC store to a page that cannot be read', () => {
  it('K30, K62 is a SIGBUS, and the page is not dirty', function () {
    requireUserfaultfd(this)
    using pmem = mount(temporaryDirectory(), { inject: [] })
    const file = pmem.open('a.pm', { create: true })
    file.write(Buffer.alloc(2 * 4096, 1), 0)
    file.sync()
    pmem.crash()
    const map = file.mmap({ sync: true })
    file.fallocate({ offset: 4 * 4096, length: 4096 })
    pmem.inject([{ operation: 'media-read', error: 'EIO', nth: 1 }])
    expect(() => map.tryWrite(0, Buffer.from('x'))).to.throw(PmemError, /^EIO/)
    expect(pmem.injected()['media-read'].failed).to.equal(1)
    expect(file.stat().tags.dirty).to.equal(0)
    pmem.verify()
    map.tryWrite(0, Buffer.from('x'))
    expect(Buffer.from(map.tryRead(0, 2)).toString('latin1')).to.equal('x\x01')
  })
})
