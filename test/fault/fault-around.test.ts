/** Mount option faultAround: which neighbours a load maps along, and that nothing else is different. */
import { expect } from 'chai'
import { type DaxFile, type DaxMapping } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { PAGE, Pool, bytes } from './pool.js'

const WINDOW = 16
const PAGES = 64
const PTE_FILE = 1
const PTE_WP = 4

describe('mapping around a fault', () => {
  let pool: Pool
  let file: DaxFile

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool({ faultAround: WINDOW, hugePages: false })
    file = pool.data(PAGES)
    // Into the cache, with an entry each, by a mapping that goes again.
    const filler = file.mmap()
    for (let page = 0; page < PAGES; page++) bytes(filler)[page * PAGE]
    filler.unmap()
  })
  afterEach(() => pool.close())

  /** Which pages the process has mapped: 'p' write-protected, 'w' writable, '.' not. */
  function mapped(mapping: DaxMapping): string {
    const { addon } = machineOf(pool.pmem)
    const entries = new Uint8Array(mapping.byteLength / PAGE)
    addon.pageTableEntries(addon.addressOf(bytes(mapping)), mapping.byteLength, entries)
    return [...entries].map((pte) => ((pte & PTE_FILE) === 0 ? '.' : (pte & PTE_WP) === 0 ? 'w' : 'p')).join('')
  }

  it('K52, K60: a load maps the pages around it that are aligned with it, read-only; they stay clean', () => {
    const mapping = file.mmap()
    expect(pool.faultsOf(() => expect(bytes(mapping)[20 * PAGE]).to.equal(36))).to.deep.equal({ minorRead: 1 })
    expect(mapped(mapping)).to.equal('.'.repeat(16) + 'p'.repeat(16) + '.'.repeat(32))
    const view = bytes(mapping)
    const loads = (): void => {
      for (let page = 16; page < 32; page++) expect(view[page * PAGE]).to.equal(16 + page)
    }
    expect(pool.faultsOf(loads)).to.deep.equal({})
    expect(file.stat().tags.dirty).to.equal(0)
    expect(pool.faultsOf(() => (view[17 * PAGE] = 1))).to.deep.equal({ mkwrite: 1 })
    expect(file.stat().tags.dirty).to.equal(1)
  })

  it('K42, K101: holes, pages without an entry and pages past the mapping are left alone', () => {
    file.fallocate({ mode: 'punch', offset: 5 * PAGE, length: PAGE })
    const mapping = file.mmap({ offset: 2 * PAGE, length: 8 * PAGE })
    expect(bytes(mapping)[2 * PAGE]).to.equal(20)
    expect(mapped(mapping), 'the punch unmaps nothing else').to.equal('ppp.....')
    expect(bytes(mapping)[7 * PAGE]).to.equal(25)
    expect(mapped(mapping)).to.equal('ppp.pppp')
    expect(file.stat().entries).to.deep.equal({ D4: PAGES - 1 })
  })

  it('K97: a bad page is not mapped along, and a page mapped along goes when it is bad', () => {
    pool.poison(file, 3)
    const mapping = file.mmap()
    expect(bytes(mapping)[0]).to.equal(16)
    expect(mapped(mapping).slice(0, 16)).to.equal('ppp.............')
    pool.poison(file, 1)
    expect(mapped(mapping).slice(0, 4)).to.equal('p.p.')
    expect(() => mapping.tryRead(PAGE, 1))
      .to.throw()
      .with.property('code', 'EIO')
  })

  it('T1: private mappings and stores map their own page only', () => {
    const copy = file.mmap({ sharing: 'private' })
    expect(bytes(copy)[0]).to.equal(16)
    expect(mapped(copy).slice(0, 3)).to.equal('p..')
    const mapping = file.mmap()
    bytes(mapping)[0] = 1
    expect(mapped(mapping).slice(0, 3)).to.equal('w..')
  })

  it('K70: what random loads, stores, syncs and cuts leave is what they leave without it', () => {
    const seed = seedFor('fault-around')
    const plain = new Pool({ hugePages: false })
    try {
      const outcomes = [pool, plain].map((one) => {
        const target = one === pool ? file : one.data(PAGES)
        const views = [target.mmap(), target.mmap()].map(bytes)
        return walk(target, views, new Prng(seed)) + one.media(0, PAGES * PAGE).join()
      })
      expect(outcomes[0] === outcomes[1], `seed ${seed}`).to.equal(true)
      expect(pool.pmem.verify().entries).to.be.greaterThan(0)
    } finally {
      plain.close()
    }
  })

  /** Return: all bytes the loads gave. */
  function walk(target: DaxFile, views: readonly Uint8Array[], random: Prng): string {
    const seen: number[] = []
    for (let step = 0; step < 600; step++) {
      const page = random.below(PAGES)
      const view = views[random.below(2)] as Uint8Array
      const kind = random.below(10)
      if (kind < 6) seen.push(view[page * PAGE + random.below(8)] as number)
      else if (kind < 8) view[page * PAGE + random.below(8)] = random.below(256)
      else if (kind === 8) target.sync()
      else target.fallocate({ mode: 'punch', offset: page * PAGE, length: PAGE })
    }
    target.sync()
    return seen.join()
  }
})
