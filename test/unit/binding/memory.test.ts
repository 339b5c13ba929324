import { expect } from 'chai'
import { addon } from '../../../lib/binding/load.js'

const PAGE = 4096
const PMD = 0x200000
const {
  PROT_READ = 0,
  PROT_WRITE = 0,
  PTE_FILE = 0,
  PTE_ANON = 0,
  EFAULT = 0,
  EINVAL = 0,
  ENOMEM = 0,
} = addon.constants
const RW = PROT_READ | PROT_WRITE

describe('mappings', () => {
  const length = 8 * PAGE
  let memfd: number
  let map: number

  beforeEach(() => {
    memfd = addon.createMemfd('memory-test', 4 * PAGE)
    map = addon.mapFile(memfd, 0, length, RW, true)
  })

  afterEach(() => {
    addon.unmap(map, length)
    addon.closeFd(memfd)
  })

  it('is seen by every mapping of the memfd', () => {
    const second = addon.mapFile(memfd, PAGE, PAGE, PROT_READ, true)
    new Uint8Array(addon.createArrayBuffer(map, length))[PAGE] = 42
    expect(new Uint8Array(addon.createArrayBuffer(second, PAGE))[0]).to.equal(42)
    addon.unmap(second, PAGE)
  })

  it('aligns to the offset modulo 2 MiB, and to misalign bytes beside it', () => {
    for (const [offset, misalign] of [
      [0, 0],
      [PAGE, 0],
      [0, 3 * PAGE],
      [2 * PAGE, PMD - PAGE],
    ] as const) {
      const address = addon.mapAligned(memfd, offset, PAGE, RW, true, misalign)
      expect(address % PMD).to.equal((offset + misalign) % PMD)
      expect(addon.touchPages(address, PAGE, true)).to.equal(0)
      expect(addon.touchPages(address + PAGE, 1, false), 'the reservation is gone').to.equal(-EFAULT)
      addon.unmap(address, PAGE)
    }
    expect(() => addon.mapAligned(memfd, 0, PAGE + 1, RW, true, 0)).to.throw(/EINVAL/)
  })

  it('shows what is in the page table and what is in the page cache', () => {
    const out = new Uint8Array(4)
    expect(addon.touchPages(map + PAGE, 1, true)).to.equal(0)
    expect(addon.pageTableEntries(map, 4 * PAGE, out)).to.equal(0)
    expect([...out]).to.deep.equal([0, PTE_FILE, 0, 0])
    expect(addon.dropPages(map, 4 * PAGE)).to.equal(0)
    expect(addon.pageTableEntries(map, 4 * PAGE, out)).to.equal(0)
    expect([...out]).to.deep.equal([0, 0, 0, 0])
    expect(addon.residentPages(map, 4 * PAGE, out)).to.equal(0)
    expect([...out]).to.deep.equal([0, 1, 0, 0])
    expect(addon.cachedPages(memfd, 0, map, 4 * PAGE, out)).to.equal(0)
    expect([...out]).to.deep.equal([0, 1, 0, 0])
    // What mincore does not know the file does: here mincore is asked about another part of it.
    expect(addon.cachedPages(memfd, 0, map + 2 * PAGE, 2 * PAGE, out.fill(9))).to.equal(0)
    expect([...out]).to.deep.equal([0, 1, 9, 9])
  })

  it('shows private copies as anonymous', () => {
    const own = addon.mapFile(memfd, 0, PAGE, RW, false)
    addon.touchPages(own, 1, true)
    const out = new Uint8Array(1)
    addon.pageTableEntries(own, PAGE, out)
    expect(out[0]).to.equal(PTE_ANON)
    addon.unmap(own, PAGE)
  })

  it('gives -errno for memory that is not there', () => {
    expect(addon.dropPages(map + 1, PAGE)).to.equal(-EINVAL)
    const gone = addon.mapZeroes(PAGE)
    addon.unmap(gone, PAGE)
    expect(addon.residentPages(gone, PAGE, new Uint8Array(1))).to.equal(-ENOMEM)
    expect(addon.cachedPages(memfd, 0, gone, PAGE, new Uint8Array(1))).to.equal(-ENOMEM)
  })

  it('detaches: views have length 0, the memory stays', () => {
    const buffer = addon.createArrayBuffer(map, PAGE)
    const bytes = new Uint8Array(buffer)
    bytes[0] = 1
    addon.detachArrayBuffer(buffer)
    addon.detachArrayBuffer(buffer)
    expect(bytes.length).to.equal(0)
    expect(buffer.byteLength).to.equal(0)
    expect(new Uint8Array(addon.createArrayBuffer(map, PAGE))[0]).to.equal(1)
    expect(() => addon.detachArrayBuffer(new SharedArrayBuffer(8) as never)).to.throw(TypeError)
  })

  it('finds the address of views, of shared buffers too', () => {
    const buffer = addon.createArrayBuffer(map, PAGE)
    expect(addon.addressOf(new Uint8Array(buffer, 16))).to.equal(map + 16)
    expect(addon.addressOf(new DataView(buffer, 8))).to.equal(map + 8)
    const shared = new Int32Array(new SharedArrayBuffer(64))
    addon.fillMemory(addon.addressOf(shared.subarray(1)), 255, 4)
    expect([...shared.subarray(0, 3)]).to.deep.equal([0, -1, 0])
    expect(() => addon.addressOf(buffer as never)).to.throw(TypeError)
  })
})

describe('guarded memory', () => {
  const length = 4 * PAGE
  let memfd: number
  let map: number

  beforeEach(() => {
    memfd = addon.createMemfd('guard-test', 2 * PAGE)
    map = addon.mapFile(memfd, 0, length, RW, true)
  })

  afterEach(() => {
    addon.unmap(map, length)
    addon.closeFd(memfd)
  })

  it('counts the bytes before the end of the file', () => {
    expect(addon.fillMemory(map + 100, 7, length - 100)).to.equal(2 * PAGE - 100)
    expect(addon.fillMemory(map + 2 * PAGE, 7, 1)).to.equal(-EFAULT)
    const to = new Uint8Array(length)
    expect(addon.copyMemory(addon.addressOf(to), map + 50, length - 50)).to.equal(2 * PAGE - 50)
    expect(to.indexOf(7)).to.equal(50)
    expect(to.lastIndexOf(7)).to.equal(2 * PAGE - 51)
    expect(addon.copyMemory(map + PAGE + 1, addon.addressOf(to), 2 * PAGE)).to.equal(PAGE - 1)
    expect(addon.copyMemory(map + 2 * PAGE, addon.addressOf(to), 1)).to.equal(-EFAULT)
    expect(addon.copyMemory(map, map, 0)).to.equal(0)
  })

  it('moves overlapping bytes both ways', () => {
    const bytes = new Uint8Array(addon.createArrayBuffer(map, 2 * PAGE))
    const expected = bytes.map((_, i) => i % 251)
    for (const [to, from] of [
      [0, 100],
      [100, 0],
    ] as const) {
      bytes.set(expected)
      const wanted = expected.slice()
      wanted.copyWithin(to, from, from + 2 * PAGE - 100)
      expect(addon.copyMemory(map + to, map + from, 2 * PAGE - 100)).to.equal(2 * PAGE - 100)
      expect(bytes).to.deep.equal(wanted)
    }
    expect(addon.copyMemory(map + PAGE, map, 3 * PAGE), 'upwards, past the end').to.equal(-EFAULT)
  })

  it('touches without changing, and survives unmapped, read-only and absent memory', () => {
    addon.fillMemory(map, 9, 2 * PAGE)
    expect(addon.touchPages(map, 2 * PAGE, true)).to.equal(0)
    expect(new Uint8Array(addon.createArrayBuffer(map, 1))[0]).to.equal(9)
    expect(addon.touchPages(map, 2 * PAGE + 1, false)).to.equal(-EFAULT)
    expect(addon.touchPages(0, 1, false)).to.equal(-EFAULT)
    const zeroes = addon.mapZeroes(PAGE)
    expect(addon.touchPages(zeroes, PAGE, false)).to.equal(0)
    expect(addon.touchPages(zeroes, PAGE, true)).to.equal(-EFAULT)
    addon.unmap(zeroes, PAGE)
  })
})
