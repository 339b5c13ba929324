/** fallocate in all modes beside mappings: what bytes, blocks, entries and private copies are afterwards. */
import { expect } from 'chai'
import { type DaxFile, type DaxMapping, type FallocateOptions, type TraceEvent, mount } from '../../lib/index.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const HUGE = 512 * PAGE

/** Byte of a page of Pool.data. */
const DATA = 16

for (const flavour of ['ext4', 'xfs'] as const) {
  describe(`fallocate (${flavour})`, () => {
    let pool: Pool
    let file: DaxFile
    let mapping: DaxMapping
    let view: Uint8Array

    before(function () {
      requireUserfaultfd(this)
    })
    beforeEach(() => {
      pool = new Pool({ flavour, capacity: '32MiB', faultWorkers: 1 })
    })
    afterEach(() => {
      pool.close()
    })

    /** A file of 8 pages of data, mapped with room to grow. */
    function map(): void {
      file = pool.data(8)
      mapping = file.mmap({ length: 16 * PAGE })
      view = bytes(mapping)
    }

    /** Mapped pages: a look at the page tables only. */
    const mapped = (of = mapping): string => of.mincore().join('').replace(/0+$/, '')
    /** First byte of each page, through read(2). */
    function pages(): number[] {
      const whole = Buffer.alloc(file.size)
      file.read(whole, 0)
      return Array.from({ length: Math.ceil(file.size / PAGE) }, (_, page) => whole[page * PAGE] as number)
    }
    /** The same through the mapping. */
    const seen = (): number[] => pages().map((_, page) => view[page * PAGE] as number)
    /** Blocks as text: 'w2-4' is written, 'u' unwritten, in pages. */
    const extents = (): string =>
      file
        .stat()
        .extents.map(({ start, end, state }) => `${state.charAt(0)}${start / PAGE}-${end / PAGE}`)
        .join(' ')

    const freeBytes = (): number => pool.pmem.stats().free
    const reopen = (): void => {
      pool.pmem.close()
      pool.pmem = mount(pool.path, { flavour, capacity: '32MiB' })
    }

    const change = (mode: FallocateOptions['mode'], page: number, count: number): void => {
      file.fallocate({ ...(mode === undefined ? {} : { mode }), offset: page * PAGE, length: count * PAGE })
    }

    describe('bytes', () => {
      beforeEach(map)

      const cases: [mode: FallocateOptions['mode'], pages: number[], blocks: string][] = [
        ['allocate', [16, 17, 18, 19, 20, 21, 22, 23], 'w0-8'],
        ['punch', [16, 17, 0, 0, 20, 21, 22, 23], 'w0-2 w4-8'],
        ['zero', [16, 17, 0, 0, 20, 21, 22, 23], 'w0-2 u2-4 w4-8'],
        ['collapse', [16, 17, 20, 21, 22, 23], 'w0-2 w2-6'],
        ['insert', [16, 17, 0, 0, 18, 19, 20, 21, 22, 23], 'w0-2 w4-10'],
      ]
      for (const [mode, expected, blocks] of cases) {
        it(`K84: ${mode ?? ''} of pages 2 and 3, by read, by the mapping, after a power failure and a remount`, () => {
          for (let page = 0; page < 8; page++) expect(view[page * PAGE]).to.equal(DATA + page)
          change(mode, 2, 2)
          expect(pages()).to.deep.equal(expected)
          expect(seen()).to.deep.equal(expected)
          expect(extents()).to.equal(blocks)
          file.sync()
          pool.pmem.crash()
          expect(seen()).to.deep.equal(expected)
          reopen()
          file = pool.pmem.open('a.pm')
          expect(pages()).to.deep.equal(expected)
          expect(extents().replace(/w0-2 w2-/, 'w0-')).to.equal(blocks.replace(/w0-2 w2-/, 'w0-'))
        })
      }

      it('K84: stores nobody synced move with their page', () => {
        view[5 * PAGE] = 99
        change('collapse', 1, 2)
        expect(view[3 * PAGE]).to.equal(99)
        change('insert', 1, 1)
        expect(view[4 * PAGE]).to.equal(99)
        expect(file.stat().blocks).to.equal(6 * 8)
      })

      it('K101: parts of pages are zeroed in place, whole pages between them lose or keep their blocks', () => {
        file.fallocate({ mode: 'punch', offset: PAGE + 100, length: 2 * PAGE })
        expect([view[PAGE + 99], view[PAGE + 100], view[3 * PAGE + 99], view[3 * PAGE + 100]]).to.eql([17, 0, 0, 19])
        expect(extents()).to.equal('w0-2 w3-8')
        file.fallocate({ mode: 'zero', offset: 5 * PAGE - 10, length: PAGE + 20 })
        expect([view[5 * PAGE - 11], view[5 * PAGE - 10], view[6 * PAGE + 9], view[6 * PAGE + 10]]).to.eql([
          20, 0, 0, 22,
        ])
        expect(extents()).to.equal('w0-2 w3-5 u5-6 w6-8')
      })

      it('grows the file unless keepSize says no, and reads zero there', () => {
        file.fallocate({ offset: 8 * PAGE, length: 2 * PAGE, keepSize: true })
        expect([file.size, extents()]).to.deep.equal([8 * PAGE, 'w0-8 u8-10'])
        file.fallocate({ mode: 'zero', offset: 9 * PAGE, length: 10 })
        expect(file.size).to.equal(9 * PAGE + 10)
        expect([view[8 * PAGE], view[9 * PAGE]]).to.deep.equal([0, 0])
      })

      it('errors change no byte: collapse to EOF, insert at EOF, what is not whole pages, past maxSize', () => {
        const bad: [FallocateOptions, string][] = [
          [{ mode: 'collapse', offset: 4 * PAGE, length: 4 * PAGE }, 'EINVAL'],
          [{ mode: 'collapse', offset: 0, length: 9 * PAGE }, 'EINVAL'],
          [{ mode: 'collapse', offset: 100, length: PAGE }, 'EINVAL'],
          [{ mode: 'collapse', offset: 0, length: 100 }, 'EINVAL'],
          [{ mode: 'collapse', offset: 0, length: PAGE, keepSize: true }, 'EOPNOTSUPP'],
          [{ mode: 'insert', offset: 8 * PAGE, length: PAGE }, 'EINVAL'],
          [{ mode: 'insert', offset: 1, length: PAGE }, 'EINVAL'],
          [{ mode: 'insert', offset: 0, length: 2 ** 30 }, 'EFBIG'],
          [{ offset: 0, length: 2 ** 30 }, 'EFBIG'],
        ]
        for (const [options, code] of bad) expect(() => file.fallocate(options), JSON.stringify(options)).to.throw(code)
        expect(seen()).to.deep.equal([16, 17, 18, 19, 20, 21, 22, 23])
        expect(file.size).to.equal(8 * PAGE)
      })

      it('an allocation that does not fit is ENOSPC with nothing allocated', () => {
        pool.holes(1, 'b.pm').fallocate({ offset: 0, length: PAGE })
        const before = freeBytes()
        expect(() => file.fallocate({ offset: 0, length: 32 * 2 ** 20 })).to.throw('ENOSPC')
        expect(freeBytes()).to.equal(before)
        expect(extents()).to.equal('w0-8')
      })
    })

    describe('mappings', () => {
      beforeEach(() => {
        map()
        for (let page = 0; page < 8; page++) expect(view[page * PAGE]).to.equal(DATA + page)
      })

      it('K84, K90, B37, FACTS 11: truncate, punch, zero, collapse and insert unmap the file in every mapping', () => {
        const other = file.mmap()
        const calls: (() => void)[] = [
          () => file.truncate(8 * PAGE),
          () => file.fallocate({ mode: 'punch', offset: 7 * PAGE + 10, length: 20 }),
          () => change('zero', 7, 1),
          () => change('insert', 7, 1),
          () => change('collapse', 7, 1),
        ]
        for (const call of calls) {
          expect([view[0], bytes(other)[0]]).to.deep.equal([16, 16])
          expect(mapped()).to.not.equal('')
          call()
          expect([mapped(), mapped(other)], call.toString()).to.deep.equal(['', ''])
        }
      })

      it('FACTS 11: plain allocation unmaps nothing on ext4, everything on xfs', () => {
        file.fallocate({ offset: 0, length: 12 * PAGE, keepSize: true })
        expect(mapped()).to.equal(flavour === 'ext4' ? '11111111' : '')
      })

      it('K90: the layout is broken before any block moves, and before the entries go', () => {
        const names = traceOf(() => change('punch', 2, 1))
        const order = ['dax_layout_busy_page_range', 'unmap_mapping_pages', 'dax_delete_mapping_entry']
        expect(names.filter((name) => order.includes(name))).to.deep.equal(order)
      })

      it('K111, FACTS 11: what was dirty stays so, and a later sync writes it', () => {
        view[0] = 99
        change('punch', 5, 1)
        expect(file.stat().tags.dirty).to.equal(1)
        file.sync()
        expect(pool.media(0)).to.deep.equal([99])
      })

      it('FACTS 13: private copies survive a punch, and a truncate takes those beyond EOF', () => {
        const copy = bytes(file.mmap({ sharing: 'private' }))
        for (const page of [2, 5]) copy[page * PAGE] = 99
        change('punch', 2, 1)
        expect([copy[2 * PAGE], copy[2 * PAGE + 1], view[2 * PAGE]], 'a copy is of the whole page').to.eql([99, 18, 0])
        file.truncate(5 * PAGE)
        file.truncate(8 * PAGE)
        expect([copy[2 * PAGE], copy[5 * PAGE]]).to.deep.equal([99, 0])
      })

      it('FACTS 13: a copy of the page at the new EOF keeps its tail', () => {
        const copy = bytes(file.mmap({ sharing: 'private' }))
        copy[5 * PAGE] = 99
        file.truncate(5 * PAGE + 10)
        expect([copy[5 * PAGE], copy[5 * PAGE + 10], view[5 * PAGE + 10]]).to.deep.equal([99, 21, 0])
      })

      it('FACTS 13: collapse drops copies from its point on (ext4), or leaves them at their place (xfs)', () => {
        const copy = bytes(file.mmap({ sharing: 'private' }))
        for (const page of [1, 3]) copy[page * PAGE] = 99
        change('collapse', 2, 1)
        expect([copy[PAGE], copy[3 * PAGE]]).to.deep.equal([99, flavour === 'ext4' ? 20 : 99])
      })

      it('K106, T13: a write beside a dirty store leaves it dirty', () => {
        view[0] = 99
        file.write(Buffer.from([1]), 100)
        expect(file.stat().tags.dirty).to.equal(1)
      })
    })

    describe('of 2 MiB', () => {
      it('FACTS 12: a punch of 4 KiB writes the whole entry back, drops it, and 4 KiB faults follow', () => {
        file = pool.holes(512)
        mapping = file.mmap()
        view = bytes(mapping)
        view[0] = 1
        view[100 * PAGE] = 2
        expect(file.stat().entries).to.deep.equal({ D2M: 1 })
        change('punch', 50, 1)
        expect(file.stat().entries).to.deep.equal({})
        expect([pool.media(0), pool.media(100 * PAGE)], 'written back').to.deep.equal([[1], [2]])
        expect([view[0], view[50 * PAGE], view[100 * PAGE]]).to.deep.equal([1, 0, 2])
        expect(file.stat().entries).to.deep.equal({ D4: 2, Z4: 1 })
        expect(file.stat().blocks).to.equal(HUGE / 512 - 8)
      })

      it('FACTS 12: collapse and insert of whole 2 MiB keep what follows eligible for 2 MiB', () => {
        file = pool.holes(1024)
        file.write(Buffer.alloc(2 * HUGE, 5), 0)
        change('collapse', 0, 512)
        expect([file.size, extents()]).to.deep.equal([HUGE, 'w0-512'])
        view = bytes(file.mmap())
        expect(view[9 * PAGE]).to.equal(5)
        expect(file.stat().entries).to.deep.equal({ D2M: 1 })
      })
    })

    function traceOf(work: () => void): string[] {
      const events: TraceEvent[] = []
      const listener = (event: TraceEvent): void => void events.push(event)
      pool.pmem.on('trace', listener)
      work()
      pool.pmem.drainTrace()
      pool.pmem.off('trace', listener)
      return events.map(({ name }) => name)
    }
  })
}
