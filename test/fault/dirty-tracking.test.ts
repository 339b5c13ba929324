/**
 * Mount option dirtyTracking: 'async': first stores that no fault tells of (dax/collect-stores.ts). What is missed
 * without one of its rules is lost here.
 */
import { expect } from 'chai'
import { type DaxFile, type DaxMapping, mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { requireAsyncTracking, requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { PAGE, Pool, bytes } from './pool.js'

const PAGES = 16
const HUGE = 2 ** 21

describe('asynchronous dirty tracking', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
    requireAsyncTracking(this)
  })
  afterEach(() => {
    pool.close()
  })

  for (const hugePages of [false, true]) {
    describe(hugePages ? 'with 2 MiB entries' : 'with 4 KiB entries', () => {
      const length = hugePages ? HUGE : PAGES * PAGE
      let file: DaxFile
      let mapping: DaxMapping

      beforeEach(() => {
        pool = new Pool({ dirtyTracking: 'async', hugePages })
        file = pool.holes(length / PAGE)
        file.write(Buffer.alloc(length, 5), 0)
        file.sync()
        pool.pmem.crash()
        mapping = file.mmap()
        loadAll(mapping)
        expect(isAsync(mapping), 'a mapping without holes').to.equal(true)
      })

      it('K60, K70: a store to a page that a load has mapped is no fault; the sync after it writes it', () => {
        for (const value of [1, 2, 3]) {
          expect(pool.faultsOf(() => (bytes(mapping)[3 * PAGE] = value))).to.deep.equal({})
          mapping.msync()
          expect(pool.media(3 * PAGE)).to.deep.equal([value])
          expect(file.stat().tags).to.deep.equal({ dirty: 0, towrite: 0 })
        }
        const { linesWritten } = pool.pmem.stats()
        file.sync()
        expect(pool.pmem.stats().linesWritten, 'nothing was stored since').to.equal(linesWritten)
        expect(pool.pmem.verify().comparedPages).to.equal(length / PAGE)
      })

      it('K71: a flush of its line finds it, and the fence makes it durable', () => {
        bytes(mapping)[3 * PAGE + 70] = 9
        expect(mapping.flush(3 * PAGE + 64, 64)).to.equal(1)
        pool.pmem.fence()
        expect(pool.media(3 * PAGE + 70)).to.deep.equal([9])
      })

      it('K72: a power failure of an eADR machine spares it, another loses it', () => {
        bytes(mapping)[3 * PAGE] = 9
        expect(pool.pmem.crash({ survive: 'none' })).to.include({ linesAtRisk: 1, linesLost: 1 })
        expect(bytes(mapping)[3 * PAGE]).to.equal(5)
        bytes(mapping)[3 * PAGE] = 8
        expect(pool.pmem.crash({ survive: 'all' })).to.include({ linesAtRisk: 1, linesSurvived: 1 })
        expect(bytes(mapping)[3 * PAGE]).to.equal(8)
      })

      it('B17, B35: munmap, of all of it or of a part, keeps it for the next sync, and close writes it', () => {
        bytes(mapping)[PAGE] = 9
        bytes(mapping)[3 * PAGE] = 9
        const second = file.mmap()
        loadAll(second)
        bytes(second)[5 * PAGE] = 9
        mapping.unmap()
        expect(file.stat().tags.dirty, 'all that is known').to.equal(hugePages ? 1 : 3)
        file.sync()
        expect([1, 3, 5].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([9, 9, 9])
        bytes(second)[7 * PAGE] = 9
        second.unmap()
        file.close()
        pool.close()
        expect(pool.media(7 * PAGE)).to.deep.equal([9])
        pool.pmem = mount(pool.path)
      })

      it('K84: a store before a truncate or a punch of other pages is written by the sync after it', () => {
        bytes(mapping)[3 * PAGE] = 9
        file.truncate(length - PAGE)
        loadAll(mapping, length - PAGE)
        bytes(mapping)[4 * PAGE] = 9
        file.fallocate({ mode: 'punch', offset: 8 * PAGE, length: PAGE })
        loadAll(mapping, length - PAGE)
        expect(pool.pmem.verify().entries).to.be.above(0)
        file.sync()
        expect([3, 4, 8].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([9, 9, 0])
      })

      it('FACTS 20: MADV_DONTNEED and a load after it do not make it clean', () => {
        bytes(mapping)[3 * PAGE] = 9
        mapping.madvise('dontneed')
        loadAll(mapping)
        expect(pool.pmem.verify().mappedPages).to.be.above(0)
        file.sync()
        expect(pool.media(3 * PAGE)).to.deep.equal([9])
        mapping.madvise('dontneed')
        loadAll(mapping)
        expect(file.stat().tags.dirty, 'what was clean when it went is clean when it comes').to.equal(0)
      })

      it('FACTS 24: mprotect and mremap keep it', () => {
        bytes(mapping)[3 * PAGE] = 9
        mapping.mprotect(0, length, 'r')
        mapping.msync()
        expect(pool.media(3 * PAGE)).to.deep.equal([9])
        mapping.mprotect(0, length, 'rw')
        bytes(mapping)[3 * PAGE] = 8
        mapping.mremap(length)
        bytes(mapping)[4 * PAGE] = 8
        mapping.msync()
        expect([3, 4].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([8, 8])
      })

      it('K106, B9: write(2) to pages beside it drops nothing that was stored', () => {
        file.fallocate({ mode: 'punch', offset: 8 * PAGE, length: PAGE })
        loadAll(mapping, 8 * PAGE)
        bytes(mapping)[7 * PAGE] = 9
        file.write(Buffer.alloc(PAGE, 1), 8 * PAGE - 100)
        file.sync()
        expect([7, 8].map((page) => pool.media(page * PAGE)[0])).to.deep.equal([9, 1])
      })

      it('K97: it is lost with its page, and the next sync says so; a clean page that fails is no error', () => {
        pool.poison(file, 2)
        file.sync()
        bytes(mapping)[3 * PAGE] = 9
        pool.poison(file, 3)
        expect(() => mapping.tryRead(3 * PAGE, 1)).to.throw()
        expect(() => {
          file.sync()
        })
          .to.throw()
          .with.property('code', 'EIO')
        file.sync()
      })
    })
  }

  it('K97: beside bad pages stores are found as ever', () => {
    pool = new Pool({ dirtyTracking: 'async', capacity: PAGES * PAGE, hugePages: false })
    const file = pool.data(PAGES)
    const mapping = file.mmap()
    expect(bytes(mapping)[5 * PAGE]).to.equal(16 + 5)
    pool.poison(file, 4)
    bytes(mapping)[5 * PAGE] = 9
    file.sync()
    expect(pool.media(5 * PAGE)).to.deep.equal([9])
  })

  it('T7, K42: a load of a hole that came later allocates it; without space that is SIGBUS', () => {
    pool = new Pool({ dirtyTracking: 'async', capacity: PAGES * PAGE, hugePages: false })
    const file = pool.data(PAGES)
    const mapping = file.mmap()
    file.fallocate({ mode: 'punch', offset: 0, length: 2 * PAGE })
    expect(pool.faultsOf(() => expect(bytes(mapping)[0]).to.equal(0))).to.deep.equal({ holeWrite: 1 })
    bytes(mapping)[0] = 9
    file.sync()
    expect(pool.media(0)).to.deep.equal([9])
    pool.pmem.open('b.pm', { create: true, size: PAGE }).fallocate({ offset: 0, length: PAGE })
    expect(() => mapping.tryRead(PAGE, 1))
      .to.throw()
      .with.property('code', 'EIO')
  })

  it('K50: holes, MAP_SYNC and private mappings are tracked as ever', () => {
    pool = new Pool({ dirtyTracking: 'async', hugePages: false })
    const file = pool.data(PAGES)
    file.fallocate({ mode: 'punch', offset: 2 * PAGE, length: PAGE })
    expect(isAsync(file.mmap({ length: 2 * PAGE }))).to.equal(true)
    expect(isAsync(file.mmap())).to.equal(false)
    expect(isAsync(file.mmap({ length: PAGE, sync: true }))).to.equal(false)
    expect(isAsync(file.mmap({ length: PAGE, sharing: 'private' }))).to.equal(false)
    const mapping = file.mmap()
    loadAll(mapping)
    expect(pool.faultsOf(() => (bytes(mapping)[3 * PAGE] = 1))).to.deep.equal({ mkwrite: 1 })
  })

  it('K70: what random loads, stores, syncs, drops and cuts leave is what they leave without it', () => {
    const seed = seedFor('dirty-tracking')
    pool = new Pool({ dirtyTracking: 'async' })
    const plain = new Pool({ dirtyTracking: 'sync' })
    try {
      const outcomes = [pool, plain].map((one) => {
        const file = one.holes(640)
        file.write(Buffer.alloc(640 * PAGE, 7), 0)
        const mappings = [file.mmap(), file.mmap({ offset: PAGE })]
        return walk(file, mappings, new Prng(seed)) + one.media(0, 640 * PAGE).join()
      })
      expect(outcomes[0] === outcomes[1], `seed ${seed}`).to.equal(true)
      expect(pool.pmem.verify().entries).to.be.above(0)
    } finally {
      plain.close()
    }
  })

  it('is refused by name where it cannot be', () => {
    pool = new Pool()
    expect(() => mount(temporaryDirectory(), { dirtyTracking: 'async', stores: 'traced' })).to.throw(
      RangeError,
      'traced',
    )
    expect(() => mount(temporaryDirectory(), { dirtyTracking: 'async', placement: 'colocate' })).to.throw(RangeError)
    process.env['FAULTLINE_WITHOUT'] = 'WP_ASYNC'
    try {
      expect(() => mount(temporaryDirectory(), { dirtyTracking: 'async' }))
        .to.throw(/ENOTSUP.*WP_ASYNC needs Linux 6\.7/)
        .with.property('code', 'ENOTSUP')
    } finally {
      delete process.env['FAULTLINE_WITHOUT']
    }
  })

  function isAsync(mapping: DaxMapping): boolean {
    return mapping.info.dirtyTracking === 'async'
  }
})

function loadAll(mapping: DaxMapping, length: number = mapping.byteLength): number {
  const view = bytes(mapping)
  let sum = 0
  for (let at = 0; at < length; at += PAGE) sum += view[at] as number
  return sum
}

/** Return: all bytes the loads gave. */
function walk(file: DaxFile, mappings: readonly DaxMapping[], random: Prng): string {
  const seen: number[] = []
  for (let step = 0; step < 1500; step++) {
    const mapping = mappings[random.below(2)] as DaxMapping
    const page = random.below(639)
    const at = page * PAGE + random.below(8)
    const kind = random.below(20)
    if (kind < 9) seen.push(bytes(mapping)[at] as number)
    else if (kind < 15) bytes(mapping)[at] = random.below(256)
    else if (kind < 16) mapping.msync(page * PAGE, PAGE)
    else if (kind < 17) mapping.madvise('dontneed')
    else if (kind < 18) file.sync()
    else if (kind < 19) file.write(Buffer.alloc(random.below(2 * PAGE), step), at)
    else file.fallocate({ mode: 'punch', offset: page * PAGE, length: PAGE })
  }
  file.sync()
  return seen.join()
}
