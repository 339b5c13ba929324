/** A pool that is full, and accesses that have no page: errors for who asks, nothing harmed for the others. */
import { expect } from 'chai'
import { type DaxFile, PmemError, type Pmem, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'

const PAGE = 4096
const CAPACITY_PAGES = 16

describe('a full pool', () => {
  let pmem: Pmem
  let file: DaxFile

  beforeEach(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory(), { capacity: CAPACITY_PAGES * PAGE })
    file = pmem.open('a.pm', { create: true, size: 64 * PAGE })
  })
  afterEach(() => {
    pmem.close()
  })

  function fill(): void {
    expect(file.write(Buffer.alloc(CAPACITY_PAGES * PAGE, 1), 0)).to.equal(CAPACITY_PAGES * PAGE)
    expect(pmem.stats().free).to.equal(0)
  }

  it('gives ENOSPC from write and fallocate, and short counts on the way', () => {
    expect(file.write(Buffer.alloc(10 * PAGE, 1), 0)).to.equal(10 * PAGE)
    expect(file.write(Buffer.alloc(10 * PAGE, 2), 20 * PAGE + 5)).to.equal(6 * PAGE - 5)
    expect(() => file.write(Buffer.alloc(1), 40 * PAGE))
      .to.throw(PmemError, /^ENOSPC: no space left in the pool, write 'a.pm'/)
      .with.include({ code: 'ENOSPC', errno: 28, syscall: 'write', path: 'a.pm' })
    expect(() => {
      file.fallocate({ offset: 50 * PAGE, length: PAGE })
    }).to.throw(PmemError, /^ENOSPC/)
    expect(file.size).to.equal(64 * PAGE)
  })

  it('writes over what has blocks, and in private copies', () => {
    fill()
    expect(file.write(Buffer.alloc(PAGE, 7), 3 * PAGE)).to.equal(PAGE)
    const map = file.mmap()
    const bytes = new Uint8Array(map.buffer)
    bytes[0] = 9
    map.msync()
    const copy = new Uint8Array(file.mmap({ sharing: 'private' }).buffer)
    copy[30 * PAGE] = 5
    expect([copy[30 * PAGE], bytes[0], bytes[3 * PAGE], bytes[30 * PAGE]]).to.deep.equal([5, 9, 7, 0])
  })

  it('gives EIO from tryWrite, harms nothing else, and works again when space is free', () => {
    fill()
    const map = file.mmap()
    const bytes = new Uint8Array(map.buffer)
    for (let i = 0; i < 3; i++) {
      expect(() => {
        map.tryWrite(20 * PAGE + 100, Buffer.alloc(8, 3))
      })
        .to.throw(PmemError, /^EIO.*SIGBUS at offset 82020/)
        .with.include({ code: 'EIO', syscall: 'tryWrite', offset: 20 * PAGE + 100 })
    }
    // The hole still reads as one, and the rest is as it was.
    expect(bytes[20 * PAGE]).to.equal(0)
    expect([...bytes.subarray(0, CAPACITY_PAGES * PAGE)].every((byte) => byte === 1)).to.equal(true)
    file.sync()
    file.fallocate({ mode: 'punch', offset: 0, length: 2 * PAGE })
    map.tryWrite(20 * PAGE + 100, Buffer.alloc(8, 3))
    bytes[21 * PAGE] = 4
    map.msync()
    expect([bytes[20 * PAGE + 107], bytes[21 * PAGE], bytes[0], bytes[2 * PAGE]]).to.deep.equal([3, 4, 0, 1])
    expect(pmem.stats().free).to.equal(0)
  })

  it('has its space back after truncate, unlink and a crash that loses new blocks', () => {
    fill()
    file.truncate(0)
    expect(pmem.stats().free).to.equal(CAPACITY_PAGES * PAGE)
    file.truncate(64 * PAGE)
    const map = file.mmap()
    new Uint8Array(map.buffer).fill(1, 0, 5 * PAGE)
    expect(pmem.stats().free).to.equal(11 * PAGE)
    pmem.crash()
    expect(pmem.stats().free).to.equal(16 * PAGE)
    const other = pmem.open('b.pm', { create: true, size: PAGE })
    other.write(Buffer.alloc(PAGE, 1), 0)
    pmem.unlink('b.pm')
    expect(pmem.stats().free).to.equal(15 * PAGE)
    other.close()
    expect(pmem.stats().free).to.equal(16 * PAGE)
  })

  it('refuses to mount files that hold more than the capacity', () => {
    fill()
    file.sync()
    const { root } = pmem
    pmem.close()
    expect(() => mount(root, { capacity: '32KiB' })).to.throw(PmemError, /^ENOSPC: the files .* more than the capacity/)
    mount(root).close()
  })

  it('kills a plain store with SIGBUS, as full pmem does', () => {
    const result = runFixture('sigbus.fixture', ['full', temporaryDirectory()])
    expect(result.signal, result.stdout + result.stderr).to.equal('SIGBUS')
    expect(result.reports).to.deep.equal([{ stored: CAPACITY_PAGES }])
  })
})

describe('an access past EOF', () => {
  let pmem: Pmem
  before(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory())
  })
  after(() => {
    pmem.close()
  })

  it('is EIO with the offset from tryRead and tryWrite, and works once the file has grown', () => {
    const file = pmem.open('eof.pm', { create: true, size: PAGE + 100 })
    const map = file.mmap({ length: 8 * PAGE })
    // The last page is whole in memory: zero past the end.
    expect(map.tryRead(PAGE, PAGE).every((byte) => byte === 0)).to.equal(true)
    expect(() => map.tryRead(PAGE, PAGE + 1))
      .to.throw(PmemError, /^EIO/)
      .with.property('offset', 2 * PAGE)
    expect(() => {
      map.tryWrite(3 * PAGE - 4, Buffer.alloc(8))
    })
      .to.throw(PmemError, /^EIO/)
      .with.property('offset', 3 * PAGE - 4)
    map.msync()
    file.truncate(4 * PAGE)
    map.tryWrite(3 * PAGE - 4, Buffer.alloc(8, 6))
    expect(map.tryRead(3 * PAGE - 5, 10)).to.deep.equal(Uint8Array.from([0, 6, 6, 6, 6, 6, 6, 6, 6, 0]))
    file.truncate(PAGE)
    expect(() => map.tryRead(3 * PAGE, 1)).to.throw(PmemError, /^EIO/)
    file.truncate(4 * PAGE)
    expect(map.tryRead(3 * PAGE - 5, 10).every((byte) => byte === 0)).to.equal(true)
  })

  it('kills a plain load with SIGBUS', () => {
    const result = runFixture('sigbus.fixture', ['eof', temporaryDirectory()])
    expect(result.signal, result.stdout + result.stderr).to.equal('SIGBUS')
    expect(result.reports).to.deep.equal([{ last: 0 }])
  })

  it('never happens to read and write', () => {
    const file = pmem.open('rw.pm', { create: true, size: 10 })
    expect(file.read(Buffer.alloc(100), 0)).to.equal(10)
    expect(file.read(Buffer.alloc(100), 10)).to.equal(0)
    expect(file.read(Buffer.alloc(100), 2 ** 52)).to.equal(0)
    expect(file.read(Buffer.alloc(0), 0)).to.equal(0)
    expect(file.write(Buffer.alloc(0), 5000)).to.equal(0)
    expect(file.size).to.equal(10)
    expect(() => file.write(Buffer.alloc(1), 2 ** 52)).to.throw(PmemError, /^EFBIG/)
  })
})

describe('a file of 1 TiB', () => {
  const TIB = 2 ** 40

  it('is opened, and windows anywhere in it work', function () {
    requireUserfaultfd(this)
    const pool = temporaryDirectory()
    const pmem = mount(pool)
    const file = pmem.open('huge.pm', { create: true, size: '1TiB' })
    const started = performance.now()
    const offsets = [0, TIB / 2 - PAGE, 700 * 2 ** 30 + 12 * PAGE, TIB - 2 ** 20]
    for (const [i, offset] of offsets.entries()) {
      const window = file.mmap({ offset, length: Math.min(2 ** 20, TIB - offset) })
      const bytes = new Uint8Array(window.buffer)
      bytes[0] = i + 1
      bytes[bytes.length - 1] = i + 101
      window.msync()
      window.unmap()
    }
    expect(performance.now() - started).to.be.lessThan(1000)
    expect(file.write(Buffer.from([99]), TIB - 1)).to.equal(1)
    pmem.close()
    const again = mount(pool)
    const whole = again.open('huge.pm')
    expect(whole.size).to.equal(TIB)
    expect(whole.stat().blocks).to.equal(8 * 8)
    const byte = Buffer.alloc(1)
    for (const [i, offset] of offsets.entries()) {
      whole.read(byte, offset)
      expect(byte[0]).to.equal(i + 1)
    }
    expect(new Uint8Array(whole.mmap({ offset: TIB - PAGE }).buffer)[PAGE - 1]).to.equal(99)
    again.close()
  })

  it('has limits that are errors', function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    expect(() => pmem.open('too-huge.pm', { create: true, size: 2 ** 53 - 1 }))
      .to.throw(Error, /too-huge.pm|size/)
      .with.property('code')
      .that.matches(/^(EFBIG|ENOMEM|EINVAL|EOVERFLOW)$/)
    expect(pmem.list(), 'nothing is left of the attempt').to.deep.equal([])
    const file = pmem.open('limit.pm', { create: true, size: PAGE, maxSize: '2MiB' })
    expect(() => {
      file.truncate('4MiB')
    }).to.throw(PmemError, /^EFBIG/)
    expect(() => {
      file.fallocate({ offset: 2 ** 40, length: 1 })
    }).to.throw(PmemError, /^EFBIG/)
    expect(file.size).to.equal(PAGE)
    pmem.close()
  })
})
