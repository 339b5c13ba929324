/** DaxMapping.prefetch: what it brings into the cache, and that faults, entries, tags and bytes are as without it. */
import { expect } from 'chai'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type DaxFile, PmemError, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { PAGE, Pool, bytes } from './pool.js'

const PAGES = 64
const HUGE = 512

describe('prefetch', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  afterEach(() => {
    pool.close()
  })

  const start = (options = {}): DaxFile => {
    pool = new Pool({ hugePages: false, faultWorkers: 1, ...options })
    return pool.data(PAGES)
  }
  const cached = (file: DaxFile, pages = PAGES): string =>
    Array.from({ length: pages }, (_, page) => (pool.isCached(file, page) ? 'x' : '.')).join('')

  it('fills the cache and maps nothing: loads are faults of cached pages, one each, clean', () => {
    const file = start()
    const mapping = file.mmap()
    expect(mapping.prefetch()).to.equal(PAGES * PAGE)
    expect(cached(file)).to.equal('x'.repeat(PAGES))
    expect([...mapping.mincore()].every((mapped) => mapped === 0)).to.equal(true)
    expect(file.stat().entries).to.deep.equal({})
    const loads = pool.faultsOf(() => {
      for (let page = 0; page < PAGES; page++) expect(bytes(mapping)[page * PAGE + 9]).to.equal(16 + page)
    })
    expect(loads).to.deep.equal({ minorRead: PAGES })
    expect(file.stat()).to.deep.include({ entries: { D4: PAGES }, tags: { dirty: 0, towrite: 0 } })
    expect(mapping.prefetch(), 'everything is there').to.equal(0)
    pool.pmem.verify()
  })

  it('takes the pages that the bytes are in, from where the mapping begins, up to EOF', () => {
    const file = start()
    file.truncate((PAGES - 1) * PAGE + 100)
    pool.pmem.crash()
    const mapping = file.mmap({ offset: 8 * PAGE, length: 60 * PAGE })
    expect(mapping.prefetch(PAGE + 5, PAGE)).to.equal(2 * PAGE)
    expect(cached(file, 12)).to.equal('.........xx.')
    expect(mapping.prefetch(0, 0)).to.equal(0)
    expect(mapping.prefetch(50 * PAGE)).to.equal(6 * PAGE)
    const last = bytes(mapping)
    expect([last[55 * PAGE + 99], last[55 * PAGE + 100]]).to.deep.equal([16 + 63, 0])
  })

  it('leaves pages that are there alone, with what was stored to them', () => {
    const file = start()
    const mapping = file.mmap()
    bytes(mapping)[3 * PAGE] = 200
    file.write(Uint8Array.of(201), 5 * PAGE)
    expect(mapping.prefetch()).to.equal((PAGES - 2) * PAGE)
    expect([3, 4, 5].map((page) => bytes(mapping)[page * PAGE])).to.deep.equal([200, 20, 201])
    expect(pool.pmem.crash()).to.include({ linesLost: 2 })
    expect([3, 5].map((page) => bytes(mapping)[page * PAGE])).to.deep.equal([19, 21])
  })

  it('passes over holes, unwritten blocks and bad pages, known or not', () => {
    const file = start()
    file.fallocate({ mode: 'punch', offset: 4 * PAGE, length: 4 * PAGE })
    file.fallocate({ offset: 5 * PAGE, length: PAGE })
    pool.poison(file, 9)
    pool.pmem.poison(file, 11 * PAGE, 512, { latent: true })
    const mapping = file.mmap()
    expect(mapping.prefetch(0, 16 * PAGE)).to.equal(10 * PAGE)
    expect(cached(file, 17)).to.equal('xxxx....x.x.xxxx.')
    expect(() => mapping.tryRead(9 * PAGE, 1)).to.throw(PmemError, /^EIO/)
    expect(mapping.tryRead(8 * PAGE, 1)).to.deep.equal(Uint8Array.of(24))
    expect(file.stat().blocks).to.equal((PAGES - 3) * 8)
  })

  it('T9: 2 MiB that were brought in are mapped by one fault, data', () => {
    pool = new Pool({ capacity: '32MiB' })
    const file = pool.holes(2 * HUGE)
    file.write(Buffer.alloc(2 * HUGE * PAGE, 5), 0)
    file.sync()
    pool.pmem.crash()
    const mapping = file.mmap()
    expect(mapping.prefetch()).to.equal(2 * HUGE * PAGE)
    expect(pool.faultsOf(() => expect(bytes(mapping)[HUGE * PAGE + 7]).to.equal(5))).to.deep.equal({ hugeDataRead: 1 })
    expect(file.stat().entries).to.deep.equal({ D2M: 1 })
  })

  it('works for private mappings and through files open for reading, and not after unmap', () => {
    const file = start()
    const mapping = pool.pmem.open('a.pm', { readOnly: true }).mmap({ sharing: 'private' })
    expect(mapping.prefetch(0, 2 * PAGE)).to.equal(2 * PAGE)
    bytes(mapping)[0] = 1
    expect([bytes(file.mmap())[0], bytes(mapping)[0]]).to.deep.equal([16, 1])
    mapping.unmap()
    expect(() => mapping.prefetch()).to.throw(PmemError, /^EBADF/)
  })

  it('is EIO where media cannot be read, with what came before it there; nothing is left locked', () => {
    const file = start({ inject: [] })
    const mapping = file.mmap()
    pool.pmem.inject([{ operation: 'media-read', error: 'EIO', nth: 2 }])
    expect(mapping.prefetch(0, 4 * PAGE)).to.equal(4 * PAGE)
    expect(() => mapping.prefetch(4 * PAGE))
      .to.throw(PmemError)
      .with.include({ code: 'EIO', syscall: 'prefetch' })
    expect(cached(file, 6)).to.equal('xxxx..')
    expect(bytes(mapping)[5 * PAGE]).to.equal(21)
    file.truncate(0)
    pool.pmem.verify()
  })

  it('with mount option zeroCopy brings in nothing, since everything is there', () => {
    const file = start({ domain: 'eadr', zeroCopy: true })
    expect(file.mmap().prefetch()).to.equal(0)
  })

  it('keeps faults on the 2 MiB it fills, and write(2), waiting, and no others', () => {
    pool = new Pool({ capacity: '32MiB', hugePages: false })
    const file = pool.holes(2 * HUGE)
    file.write(Buffer.alloc(2 * HUGE * PAGE, 5), 0)
    file.sync()
    pool.pmem.crash()
    const machine = machineOf(pool.pmem)
    const { media, locking, inodes, threads, words } = machine
    const other = { ...machine, self: threads.attach(0) }
    const rwsem = inodes.at(file.inode) + InodeWord.Rwsem
    const beginsFault = (page: number): boolean => {
      const begins = locking.beginFault(other, file.inode, page, page, false)
      if (begins) locking.endFault(other, file.inode)
      return begins
    }
    const seen: unknown[] = []
    const fillPages = media.fillPages.bind(media)
    media.fillPages = (inode, page, count) => {
      seen.push([page, count, words.load(rwsem), beginsFault(page), beginsFault((page + HUGE) % (2 * HUGE))])
      return fillPages(inode, page, count)
    }
    file.mmap().prefetch()
    expect(seen).to.deep.equal([
      [0, HUGE, 1, false, true],
      [HUGE, HUGE, 1, false, true],
    ])
    expect([words.load(rwsem), beginsFault(0)]).to.deep.equal([0, true])
    threads.detach(other.self)
  })

  it('S0.1: beside stores, writes and punches of another thread every byte is one that was put there', async () => {
    pool = new Pool({ hugePages: false })
    const file = pool.data(HUGE)
    const prng = new Prng(seedFor('prefetch'))
    const control = new SharedArrayBuffer(8)
    const stop = new Int32Array(control)
    const code = `
      const { workerData } = require('node:worker_threads')
      import(workerData.library).then(({ attach }) => {
        const stop = new Int32Array(workerData.control)
        const pmem = attach(workerData.handle)
        const mapping = pmem.open('a.pm').mmap()
        while (Atomics.load(stop, 0) === 0) { mapping.prefetch(); Atomics.add(stop, 1, 1) }
        pmem.close()
      })`
    const library = new URL('../../lib/index.js', import.meta.url).href
    const worker = new Worker(code, { eval: true, workerData: { library, handle: pool.pmem.handle, control } })
    const ended = once(worker, 'exit')
    while (Atomics.load(stop, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    const view = bytes(file.mmap())
    const shadow = Uint8Array.from(view)
    for (let round = 0; round < 12; round++) {
      // The cache is empty again and again, so that both sides fill it, each from its end.
      file.sync()
      pool.pmem.crash()
      for (let page = HUGE - 1; page >= 0; page -= 1 + prng.below(8)) {
        const value = prng.below(256)
        const at = page * PAGE + prng.below(PAGE)
        const draw = prng.below(8)
        if (draw < 3) view[at] = shadow[at] = value
        else if (draw === 3) {
          file.fallocate({ mode: 'punch', offset: page * PAGE, length: PAGE })
          shadow.fill(0, page * PAGE, (page + 1) * PAGE)
        } else {
          const [from, length] = draw === 4 ? [at, 1] : [page * PAGE, PAGE]
          file.write(Buffer.alloc(length, value), from)
          shadow.fill(value, from, from + length)
        }
      }
      expect(Buffer.compare(view, shadow), `round ${round}`).to.equal(0)
    }
    Atomics.store(stop, 0, 1)
    await ended
    pool.pmem.verify()
    const again = mountAgain()
    expect(Buffer.compare(bytes(again.mmap()), shadow)).to.equal(0)
  })

  function mountAgain(): DaxFile {
    pool.close()
    pool.pmem = mount(pool.path, { capacity: '16MiB' })
    return pool.pmem.open('a.pm')
  }
})
