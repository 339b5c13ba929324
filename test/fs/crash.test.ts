/** crash(): what of the unfenced survives, and what the machine is like afterwards. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { expect } from 'chai'
import { type DaxFile, type DaxMapping, type Pmem, mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096
const LINE = 64

describe('a power failure', () => {
  let pmem: Pmem
  let file: DaxFile
  let map: DaxMapping
  let bytes: Uint8Array

  beforeEach(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory())
    file = pmem.open('a.pm', { create: true, size: 16 * PAGE })
    map = file.mmap()
    bytes = new Uint8Array(map.buffer)
  })
  afterEach(() => {
    pmem.close()
  })
  function media(): Buffer {
    return readFileSync(join(pmem.root, 'a.pm'))
  }
  /** What a load shows is what media has. */
  function expectRebooted(): void {
    expect(media().equals(bytes)).to.equal(true)
    expect(file.stat()).to.deep.include({ tags: { dirty: 0, towrite: 0 }, unfencedLines: 0 })
  }

  it('loses what was stored and not flushed; keeps it with survive: all', () => {
    bytes[0] = 1
    bytes[PAGE] = 2
    expect(pmem.crash()).to.deep.equal({ linesAtRisk: 2, linesSurvived: 0, linesLost: 2 })
    expect([bytes[0], bytes[PAGE]]).to.deep.equal([0, 0])
    expectRebooted()
    bytes[0] = 1
    bytes[PAGE] = 2
    expect(pmem.crash({ survive: 'all' })).to.deep.equal({ linesAtRisk: 2, linesSurvived: 2, linesLost: 0 })
    expect([bytes[0], bytes[PAGE]]).to.deep.equal([1, 2])
    expectRebooted()
    expect(pmem.crash()).to.deep.equal({ linesAtRisk: 0, linesSurvived: 0, linesLost: 0 })
  })

  it('loses a flush without a fence, and keeps the flushed line, not the later store, with one', () => {
    bytes[0] = 1
    expect(map.flush(0, 1)).to.equal(1)
    pmem.crash()
    expect(bytes[0]).to.equal(0)
    bytes[0] = 1
    map.flush(0, 1)
    bytes[0] = 2
    bytes[LINE] = 3
    pmem.fence()
    pmem.crash()
    expect([bytes[0], bytes[LINE]]).to.deep.equal([1, 0])
    bytes[LINE] = 3
    map.persist(LINE, 1)
    pmem.crash()
    expect(bytes[LINE]).to.equal(3)
    expectRebooted()
  })

  it('is not averted by the fence of another thread', async () => {
    bytes[0] = 1
    map.flush(0, 1)
    const url = new URL('../../lib/index.js', import.meta.url).href
    const script = `import('${url}').then(({ attach }) => {
      const pmem = attach(require('node:worker_threads').workerData); pmem.fence(); pmem.close() })`
    await once(new Worker(script, { eval: true, workerData: pmem.handle }), 'exit')
    expect(pmem.stats().fences).to.equal(1)
    pmem.crash()
    expect(bytes[0]).to.equal(0)
  })

  it('loses write(2) before a sync, keeps it after fsync, fdatasync or msync of anything', () => {
    const write = (value: number): number => file.write(Buffer.alloc(100, value), 3 * PAGE + 50)
    write(1)
    expect(file.stat().unfencedLines).to.equal(3)
    pmem.crash()
    expect(bytes[3 * PAGE + 50]).to.equal(0)
    const syncs = [
      () => {
        file.sync()
      },
      () => {
        file.datasync()
      },
      () => {
        map.msync(0, PAGE)
      },
      () => {
        pmem.sync()
      },
    ]
    for (const [i, sync] of syncs.entries()) {
      write(i + 2)
      sync()
      write(99)
      pmem.crash()
      expect(bytes[3 * PAGE + 149]).to.equal(i + 2)
    }
    expectRebooted()
  })

  it('keeps the pages of an msync and loses the others', () => {
    for (let page = 0; page < 8; page++) bytes[page * PAGE] = 1
    map.msync(2 * PAGE, 2 * PAGE + 1)
    pmem.crash()
    expect(Array.from({ length: 8 }, (_, page) => bytes[page * PAGE])).to.deep.equal([0, 0, 1, 1, 1, 0, 0, 0])
  })

  it('takes the copies of private mappings', () => {
    bytes.fill(5, 0, PAGE)
    map.msync()
    const copy = new Uint8Array(file.mmap({ sharing: 'private' }).buffer)
    copy[0] = 6
    pmem.crash({ survive: 'all' })
    expect([copy[0], copy[1], bytes[0]]).to.deep.equal([5, 5, 5])
    copy[0] = 7
    expect([copy[0], bytes[0]]).to.deep.equal([7, 5])
  })

  it('keeps sizes and holes as they were', () => {
    bytes.fill(1)
    map.msync()
    file.fallocate({ mode: 'punch', offset: PAGE, length: PAGE })
    file.truncate(10 * PAGE + 7)
    pmem.crash()
    expect(file.size).to.equal(10 * PAGE + 7)
    expect([bytes[PAGE], bytes[10 * PAGE + 6], bytes[10 * PAGE + 7]]).to.deep.equal([0, 1, 0])
    expect(media().length).to.equal(10 * PAGE + 7)
  })

  it('takes lines by chance, the same ones for the same seed', () => {
    const images = [1, 1, 2, 3].map((seed) => imageOf(seed))
    expect(images[0]).to.deep.equal(images[1])
    expect(new Set(images.map(({ hash }) => hash)).size).to.equal(3)
    for (const { report } of images) {
      expect(report.linesAtRisk).to.be.greaterThan(100)
      expect(report.linesSurvived).to.be.within(report.linesAtRisk * 0.2, report.linesAtRisk * 0.9)
      expect(report.linesLost).to.equal(report.linesAtRisk - report.linesSurvived)
    }
  })

  it('leaves each line, by chance, as media had it, as flushed, or as last stored: nothing else', () => {
    const seen = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      bytes.fill(1, 0, LINE)
      map.persist(0, LINE)
      bytes.fill(2, 0, LINE)
      map.flush(0, LINE)
      bytes.fill(3, 0, LINE)
      pmem.crash({ survive: 'random', seed })
      expect(bytes.subarray(0, LINE).every((byte) => byte === bytes[0])).to.equal(true)
      seen.add(bytes[0] as number)
    }
    expect([...seen].sort()).to.deep.equal([1, 2, 3])
  })

  /** A pool of its own: the same stores, flushes and writes, then the power goes. */
  function imageOf(seed: number): { hash: string; report: ReturnType<Pmem['crash']> } {
    const other = mount(temporaryDirectory())
    const target = other.open('x.pm', { create: true, size: 32 * PAGE })
    const window = target.mmap()
    const words = new Uint32Array(window.buffer)
    const prng = new Prng(77)
    for (let i = 0; i < 300; i++) {
      const word = prng.below(words.length)
      words[word] = prng.next()
      if (prng.chance(0.3)) window.flush(word * 4, 4)
      if (prng.chance(0.2)) target.write(Buffer.alloc(100, i), prng.below(31 * PAGE))
      if (prng.chance(0.05)) other.fence()
    }
    const report = other.crash({ survive: 'random', seed })
    const hash = createHash('sha256')
      .update(readFileSync(join(other.root, 'x.pm')))
      .digest('hex')
    other.close()
    return { hash, report }
  }
})
