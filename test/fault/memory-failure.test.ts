/** Memory failure on real mappings: what each kind of mapping, and each other user of the page, comes to see. */
import { expect } from 'chai'
import type { DaxMapping } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from '../fs/run-fixture.js'
import { PAGE, Pool, bytes } from './pool.js'

const PMD = 512

describe('memory failure', () => {
  let pool: Pool

  beforeEach(function () {
    requireUserfaultfd(this)
    pool = new Pool()
  })
  afterEach(() => {
    pool.close()
  })

  /** What a load and a store of the page end in: 'ok', or the code with the offset of the byte. */
  function fate(mapping: DaxMapping, page: number): string {
    const outcomes = [
      (): unknown => mapping.tryRead(page * PAGE + 8, 1),
      (): unknown => {
        mapping.tryWrite(page * PAGE + 16, Buffer.from([1]))
        return undefined
      },
    ].map((access) => {
      try {
        access()
        return 'ok'
      } catch (error) {
        const { code, offset } = error as { code: string; offset: number }
        return `${code} ${offset}`
      }
    })
    return outcomes.join(', ')
  }

  it('K97, K99, B45: shared and private mappings lose the page, touched or not; a private copy stays', () => {
    const file = pool.data(4)
    const touched = file.mmap()
    const untouched = file.mmap()
    const reader = file.mmap({ sharing: 'private' })
    const copied = file.mmap({ sharing: 'private' })
    expect(bytes(touched)[PAGE]).to.equal(17)
    expect(bytes(reader)[PAGE]).to.equal(17)
    bytes(copied)[PAGE] = 99
    const hit = pool.pmem.memoryFailure(file.pfnAt(PAGE))
    expect(hit).to.deep.equal({ file: 'a.pm', offset: PAGE, unmapped: { offset: PAGE, length: PAGE } })
    const dead = `EIO ${PAGE + 8}, EIO ${PAGE + 16}`
    expect([touched, untouched, reader].map((mapping) => fate(mapping, 1))).to.deep.equal([dead, dead, dead])
    expect(fate(copied, 1)).to.equal('ok, ok')
    expect(bytes(copied)[PAGE]).to.equal(99)
    expect([0, 2, 3].map((page) => fate(touched, page))).to.deep.equal(['ok, ok', 'ok, ok', 'ok, ok'])
    expect(() => file.read(Buffer.alloc(1), PAGE)).to.throw('EIO')
  })

  it('S4.5, K95: a page frame without an entry is EBUSY, and its page stays sound', () => {
    const file = pool.data(2)
    const pfn = file.pfnAt(0)
    for (const unknown of [pfn, 0, 2 ** 40]) {
      expect(() => pool.pmem.memoryFailure(unknown)).to.throw('EBUSY: no entry maps page frame')
    }
    expect(file.mmap().tryRead(0, 1)[0]).to.equal(16)
    expect(pool.pmem.badBlocks()).to.deep.equal([])
    expect(() => pool.holes(1, 'b.pm').pfnAt(0)).to.throw('ENXIO')
  })

  it('S4.5, K97, S2.3: one bad page of 2 MiB takes all of it; the others come back by 4 KiB faults', () => {
    const file = pool.holes(2 * PMD)
    const mapping = file.mmap()
    const view = bytes(mapping)
    for (let page = 0; page < PMD; page++) view[page * PAGE] = page % 251
    expect(file.stat().entries).to.deep.equal({ D2M: 1 })
    const hit = pool.pmem.memoryFailure(file.pfnAt(300 * PAGE))
    expect(hit).to.deep.equal({ file: 'a.pm', offset: 300 * PAGE, unmapped: { offset: 0, length: PMD * PAGE } })
    expect(
      mapping
        .mincore()
        .subarray(0, PMD)
        .every((present) => present === 0),
    ).to.equal(true)
    expect(fate(mapping, 300)).to.match(/^EIO .*, EIO /)
    const faults = pool.faultsOf(() => expect([view[0], view[299 * PAGE], view[301 * PAGE]]).to.eql([0, 48, 50]))
    expect(faults).to.deep.equal({ minorRead: 3 })
    expect(file.stat().entries, 'the entry stays').to.deep.equal({ D2M: 1 })
    view[299 * PAGE] = 1
    expect(() => file.sync(), 'the bad page is lost').to.throw('EIO')
    expect([pool.media(299 * PAGE), pool.media(301 * PAGE)], 'its neighbours are written').to.eql([[1], [50]])
    file.sync()
  })

  it('K53, K97: through MAP_SYNC too; its neighbours in the 2 MiB take stores', () => {
    const file = pool.holes(2 * PMD)
    const mapping = file.mmap({ sync: true })
    bytes(mapping)[0] = 1
    bytes(mapping)[PAGE] = 2
    pool.pmem.memoryFailure(file.pfnAt(PAGE))
    expect(fate(mapping, 1)).to.equal(`EIO ${PAGE + 8}, EIO ${PAGE + 16}`)
    expect(fate(mapping, 0)).to.equal('ok, ok')
    file.fallocate({ offset: PMD * PAGE, length: 8 * PAGE })
    expect(fate(mapping, PMD), 'a store that has to commit first').to.equal('ok, ok')
    expect(() => {
      file.sync()
    }).to.throw('EIO')
  })

  it('K98: the kernel event, and faults that say HWPOISON', () => {
    const file = pool.data(2)
    const mapping = file.mmap()
    const lines: string[] = []
    pool.pmem.on('trace', (event) => lines.push(event.text))
    mapping.tryRead(PAGE, 1)
    const pfn = file.pfnAt(PAGE)
    pool.pmem.memoryFailure(pfn)
    expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
    expect(() => pool.pmem.memoryFailure(pfn + 1)).to.throw('EBUSY')
    pool.pmem.drainTrace()
    const hex = (number: number): string => `0x${number.toString(16)}`
    expect(lines.filter((line) => line.includes('memory_failure_event'))).to.deep.equal([
      `memory_failure_event: pfn ${hex(pfn)}: recovery action for dax page: Recovered`,
      `memory_failure_event: pfn ${hex(pfn + 1)}: recovery action for dax page: Failed`,
    ])
    expect(lines.some((line) => line.startsWith('dax_pte_fault_done') && line.endsWith('HWPOISON'))).to.equal(true)
  })

  it('K97, K99: a thread that only loads dies of SIGBUS, while the page is bad', () => {
    const result = runFixture('poison.fixture', ['load', temporaryDirectory()])
    expect(result.reports).to.deep.equal([{ loaded: 7 }])
    expect(result.signal).to.equal('SIGBUS')
  })

  it('S4.5: two threads store and load while pages of theirs fail, one after the other', function () {
    this.timeout(60_000)
    const result = runFixture('poison.fixture', ['threads', temporaryDirectory()], 60_000)
    expect(result.status, result.stderr).to.equal(0)
    expect(result.reports).to.deep.equal([{ failed: 32, stale: 0, refused: 64, sound: 64 }])
  })
})
