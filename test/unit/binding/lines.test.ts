import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { addon } from '../../../lib/binding/load.js'
import { seedFor } from '../../support/seed.js'

const PAGE = 4096
const LINE = 64
const LENGTH = 4 * PAGE
const { PROT_READ = 0, PROT_WRITE = 0, EIO = 0, EBADF = 0 } = addon.constants

describe('cache lines', () => {
  let folder: string
  let path: string
  let fd: number
  let memfd: number
  let cache: number
  let media: number
  let bytes: Uint8Array
  const counters = new Float64Array(2)

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'faultline-lines-'))
    path = join(folder, 'media')
    writeFileSync(path, new Uint8Array(LENGTH))
    fd = openSync(path, 'r+')
    memfd = addon.createMemfd('lines-test', LENGTH)
    cache = addon.mapFile(memfd, 0, LENGTH, PROT_READ | PROT_WRITE, true)
    media = addon.mapFile(fd, 0, LENGTH, PROT_READ, true)
    bytes = new Uint8Array(addon.createArrayBuffer(cache, LENGTH))
    counters.fill(0)
  })

  afterEach(() => {
    addon.unmap(cache, LENGTH)
    addon.unmap(media, LENGTH)
    addon.closeFd(memfd)
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })

  function writeback(from = 0, length = LENGTH, limit = LENGTH): number {
    return addon.writebackLines(cache + from, media + from, length, fd, from, limit, counters)
  }

  it('says which lines differ, low word first', () => {
    const mask = new Int32Array(2)
    expect(addon.diffLines(cache, media, PAGE, mask)).to.equal(0)
    for (const line of [0, 31, 32, 63]) bytes[line * LINE + (line % LINE)] = 1
    expect(addon.diffLines(cache, media, PAGE, mask)).to.equal(4)
    expect([...mask]).to.deep.equal([0x80000001 | 0, 0x80000001 | 0])
    expect(addon.diffLines(cache, media, LINE, mask)).to.equal(1)
    expect([...mask]).to.deep.equal([1, 0])
    expect(() => addon.diffLines(cache, media, 2 * PAGE, mask)).to.throw(RangeError)
    expect(() => addon.diffLines(cache, media, 65, mask)).to.throw(RangeError)
  })

  it('finds a difference in any byte of a line', () => {
    const mask = new Int32Array(2)
    for (let i = 0; i < LINE; i++) {
      bytes.fill(0)
      bytes[LINE + i] = 0x80
      expect(addon.diffLines(cache, media, PAGE, mask), `byte ${String(i)}`).to.equal(1)
      expect(mask[0]).to.equal(2)
    }
  })

  it('writes differing lines only, neighbours in one run, over pages too', () => {
    bytes.fill(1, PAGE - 2 * LINE, PAGE + LINE)
    bytes[3 * PAGE] = 2
    expect(writeback()).to.equal(0)
    expect([...counters]).to.deep.equal([4, 2])
    expect(readFileSync(path).equals(bytes)).to.equal(true)
    expect(writeback()).to.equal(0)
    expect([...counters], 'nothing is left to write').to.deep.equal([4, 2])
  })

  it('keeps to its range', () => {
    bytes.fill(1)
    expect(writeback(LINE, LINE)).to.equal(0)
    const written = readFileSync(path)
    expect([written.indexOf(1), written.lastIndexOf(1)]).to.deep.equal([LINE, 2 * LINE - 1])
  })

  it('writes nothing at or past the limit', () => {
    bytes.fill(1)
    expect(writeback(0, LENGTH, PAGE + 10)).to.equal(0)
    const written = readFileSync(path)
    expect(written.length).to.equal(LENGTH)
    expect(written.lastIndexOf(1)).to.equal(PAGE + 9)
    expect([...counters]).to.deep.equal([65, 1])
    expect(writeback(2 * PAGE, PAGE, PAGE)).to.equal(0)
    expect(counters[0]).to.equal(65)
  })

  it('says EIO for memory that is not there, and the errno of a failed write', () => {
    const mask = new Int32Array(2)
    addon.truncateFile(fd, PAGE)
    bytes.fill(1)
    expect(addon.diffLines(cache + PAGE, media + PAGE, PAGE, mask)).to.equal(-EIO)
    expect(writeback(2 * PAGE, PAGE)).to.equal(-EIO)
    addon.truncateFile(memfd, PAGE)
    expect(addon.flushLines(cache + PAGE, LINE)).to.equal(-EIO)
    expect(addon.flushLines(cache + 1, PAGE - 1)).to.equal(0)
    addon.storeFence()
    const closed = addon.createEvent()
    addon.closeFd(closed)
    expect(addon.writebackLines(cache, media, PAGE, closed, 0, PAGE, counters)).to.equal(-EBADF)
  })

  it('makes media equal to the cache, with as many runs as there are', () => {
    const stores = fc.array(fc.tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 255 })), { maxLength: 40 })
    const property = fc.property(stores, (list) => {
      const before = readFileSync(path)
      for (const [at, byte] of list) bytes[at] = byte
      const differing = new Set(
        list
          .map(([at]) => at)
          .filter((at) => bytes[at] !== before[at])
          .map((at) => at >> 6),
      )
      const runs = [...differing].filter((line) => !differing.has(line - 1)).length
      counters.fill(0)
      expect(writeback()).to.equal(0)
      expect([...counters]).to.deep.equal([differing.size, runs])
      expect(readFileSync(path).equals(bytes)).to.equal(true)
    })
    fc.assert(property, { seed: seedFor('binding lines'), numRuns: 100 })
  })
})
