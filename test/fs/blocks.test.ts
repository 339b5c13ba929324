/** Which blocks a file has, through faults, writes, power failures and mounts; and what a fault does besides. */
import { expect } from 'chai'
import { type DaxFile, type DaxMapping, type MountOptions, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { PageSource } from '../../lib/mm/page-table.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const SMALL: MountOptions = { hugePages: false, faultWorkers: 1 }
const HUGE = 512 * PAGE

describe('blocks', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool(SMALL)
  })
  afterEach(() => {
    pool.close()
  })

  function use(options: MountOptions): void {
    pool.close()
    pool = new Pool(options)
  }

  function remount(): DaxFile {
    pool.pmem.close()
    pool.pmem = mount(pool.path, { capacity: '16MiB', ...SMALL })
    return pool.pmem.open('a.pm')
  }

  /** 'u0-4 w4-5': states of pages. */
  const extents = (file: DaxFile): string =>
    file
      .stat()
      .extents.map(({ start, end, state }) => `${state.charAt(0)}${start / PAGE}-${end / PAGE}`)
      .join(' ')

  describe('unwritten', () => {
    it('T7: survive a sync and a remount', () => {
      let file = pool.holes(16)
      file.fallocate({ offset: PAGE, length: 12 * PAGE })
      file.sync()
      expect(extents(file)).to.equal('u1-13')
      file = remount()
      expect(extents(file)).to.equal('u1-13')
      expect(file.stat().blocks).to.equal(12 * 8)
      expect(bytes(file.mmap())[5 * PAGE]).to.equal(0)
    })

    it('T7: in a file with data keep their space and read zero after a remount', () => {
      let file = pool.holes(16)
      file.fallocate({ offset: PAGE, length: 12 * PAGE })
      file.write(Buffer.alloc(PAGE, 7), 3 * PAGE)
      file.sync()
      expect(extents(file)).to.equal('u1-3 w3-4 u4-13')
      file = remount()
      // Their state is not asserted: it is looked up with the host's SEEK_DATA, which calls an unwritten page data
      // while the host's page cache holds it (FACTS 17), so they may come back as written zeroes.
      expect(file.stat().blocks).to.equal(12 * 8)
      const view = bytes(file.mmap())
      for (let page = 0; page < 16; page++) expect(view[page * PAGE], `page ${page}`).to.equal(page === 3 ? 7 : 0)
    })

    it('promise their space: stores to them work on a device that is full', () => {
      use({ ...SMALL, capacity: 16 * PAGE })
      const file = pool.holes(8)
      file.fallocate({ offset: 0, length: 8 * PAGE })
      pool.holes(8, 'b.pm').fallocate({ offset: 0, length: 8 * PAGE })
      const mapping = file.mmap()
      for (let page = 0; page < 8; page++) mapping.tryWrite(page * PAGE, Buffer.from([1]))
      expect(() => {
        pool
          .holes(1, 'c.pm')
          .mmap()
          .tryWrite(0, Buffer.from([1]))
      }).to.throw('EIO')
    })

    it('FACTS 16: ext4 converts a small extent as a whole at the first store, xfs by page', () => {
      for (const [flavour, expected] of [
        ['ext4', 'w0-8'],
        ['xfs', 'u0-2 w2-3 u3-8'],
      ] as const) {
        use({ ...SMALL, flavour })
        const file = pool.holes(8)
        file.fallocate({ offset: 0, length: 8 * PAGE })
        bytes(file.mmap())[2 * PAGE] = 1
        expect(extents(file)).to.equal(expected)
      }
    })

    it('FACTS 16: a large extent is converted by page on both', () => {
      const file = pool.holes(64)
      file.fallocate({ offset: 0, length: 64 * PAGE })
      bytes(file.mmap())[9 * PAGE] = 1
      expect(extents(file)).to.equal('u0-9 w9-10 u10-64')
    })
  })

  it('st_blocks: loads allocate nothing, a store 4 KiB, a 2 MiB store 2 MiB; what is freed can be had again', () => {
    use({ capacity: '16MiB', faultWorkers: 1 })
    const file = pool.holes(1024)
    const view = bytes(file.mmap({ length: HUGE }))
    expect([view[0], file.stat().blocks]).to.deep.equal([0, 0])
    view[0] = 1
    expect(file.stat().blocks).to.equal(HUGE / 512)
    bytes(file.mmap({ offset: HUGE, length: PAGE }))[0] = 1
    expect(file.stat().blocks).to.equal(HUGE / 512 + 8)
    file.truncate(0)
    expect([file.stat().blocks, file.stat().extents]).to.deep.equal([0, []])
    machineOf(pool.pmem).pfns.verify()
  })

  describe('faults', () => {
    /** mtime, made to differ from any later one. */
    function touched(file: DaxFile, work: () => void): boolean {
      const { inodes } = machineOf(pool.pmem)
      inodes.touchTimes(file.inode)
      const before = inodes.number(file.inode, InodeWord.ModifiedTime)
      const start = Date.now()
      while (Date.now() < start + 2);
      work()
      return inodes.number(file.inode, InodeWord.ModifiedTime) !== before
    }

    it('K31: a shared write fault changes mtime, the upgrade after a load too; loads and private stores do not', () => {
      const file = pool.data(4)
      const mapping = file.mmap()
      const view = bytes(mapping)
      const copy = bytes(file.mmap({ sharing: 'private' }))
      const load = (page: number): number | undefined => view[page * PAGE]
      const store = (page: number): void => void (view[page * PAGE] = 1)
      expect(
        touched(file, () => load(0)),
        'a load',
      ).to.equal(false)
      expect(
        touched(file, () => store(0)),
        'the store after it',
      ).to.equal(true)
      expect(
        touched(file, () => store(0)),
        'no fault',
      ).to.equal(false)
      expect(
        touched(file, () => store(1)),
        'a first store',
      ).to.equal(true)
      expect(
        touched(file, () => void (copy[2 * PAGE] = 1)),
        'private',
      ).to.equal(false)
      mapping.msync()
      expect(
        touched(file, () => store(0)),
        'after a sync',
      ).to.equal(true)
    })

    it('K30: no space, a bad page and EOF are SIGBUS; nothing else of the file is harmed', () => {
      use({ ...SMALL, capacity: 4 * PAGE })
      const file = pool.data(3)
      file.truncate(8 * PAGE)
      const mapping = file.mmap({ length: 16 * PAGE })
      pool.poison(file, 1)
      bytes(mapping)[4 * PAGE] = 1
      for (const page of [1, 5, 9]) expect(() => mapping.tryWrite(page * PAGE, Buffer.from([1]))).to.throw('EIO')
      expect([mapping.tryRead(0, 1)[0], mapping.tryRead(5 * PAGE, 1)[0], mapping.tryRead(4 * PAGE, 1)[0]]).to.eql([
        16, 0, 1,
      ])
      expect(file.stat().tags.dirty).to.equal(1)
    })

    it('K32: mapping a page that is mapped already changes nothing; making it writable lifts the protection', () => {
      const machine = machineOf(pool.pmem)
      const file = pool.data(2)
      const mapping = file.mmap()
      const view = bytes(mapping)
      expect(view[0]).to.equal(16)
      view[PAGE] = 1
      const vma = machine.vmas.firstInFile(file.inode)
      // The page lies in the cache with a store the media has not: it must not be read in again.
      expect(machine.pageTable.mapPage(vma, 1, PageSource.Media, false, false)).to.equal(0)
      expect(machine.pageTable.mapPage(vma, 0, PageSource.Media, true, false)).to.equal(0)
      expect([view[0], view[PAGE]]).to.deep.equal([16, 1])
      expect(
        pool.faultsOf(() => void (view[PAGE] = 2)),
        'still writable',
      ).to.deep.equal({})
      expect(
        pool.faultsOf(() => void (view[0] = 2)),
        'still protected',
      ).to.deep.equal({ mkwrite: 1 })
    })

    it('K108: an aligned write of whole pages mends bad ones, for mappings and reads; then they take stores', () => {
      const file = pool.data(4)
      const mapping: DaxMapping = file.mmap()
      for (const page of [1, 2]) pool.poison(file, page)
      expect(file.write(Buffer.alloc(2 * PAGE, 3), PAGE)).to.equal(2 * PAGE)
      const { pfns } = machineOf(pool.pmem)
      const [extent] = file.stat().extents
      expect(pfns.anyPoisoned(extent?.pfn ?? 0, 4)).to.equal(false)
      expect([1, 2, 3].map((page) => mapping.tryRead(page * PAGE, 1)[0])).to.deep.equal([3, 3, 19])
      mapping.tryWrite(PAGE, Buffer.from([4]))
      expect(file.read(Buffer.alloc(4 * PAGE), 0)).to.equal(4 * PAGE)
    })
  })
})
