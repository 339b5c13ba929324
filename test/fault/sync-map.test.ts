/** MAP_SYNC (K60–K64): once a store is possible, the block it goes to survives whatever happens. */
import { expect } from 'chai'
import type { DaxFile, DaxMapping, TraceEvent } from '../../lib/index.js'
import { mount } from '../../lib/index.js'
import { isMetadataDirty } from '../../lib/dax/commit.js'
import { deleteEntries } from '../../lib/dax/invalidate.js'
import { ErrorNumber } from '../../lib/errors.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeFlag } from '../../lib/mm/inode.js'
import { VmaFlag } from '../../lib/mm/vma.js'
import { runFixture } from '../fs/run-fixture.js'
import { Pte, Sigbus } from '../support/model-page-table.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { FILE_PAGES, type SmallKernel, entryAt, mapFile, smallKernel } from '../support/small-kernel.js'
import { temporaryDirectory } from '../support/temp.js'
import { PAGE, Pool, bytes } from './pool.js'

const HUGE = 512 * PAGE

describe('MAP_SYNC', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  describe('kill -9 right after a store', () => {
    /** Return: extents and the byte that was stored, as the next mount finds them. */
    function afterKill(kind: string, end: string, size: number): { extents: [number, number][]; byte: number } {
      const path = temporaryDirectory()
      const { signal } = runFixture('../fault/sync-map.fixture', [path, kind, end, String(size)])
      expect(signal).to.equal('SIGKILL')
      using pmem = mount(path, { capacity: '64MiB' })
      const file = pmem.open('a.pm')
      const extents = file.stat().extents.map((extent): [number, number] => [extent.start, extent.end])
      return { extents, byte: bytes(file.mmap())[PAGE] as number }
    }

    it('K64: through MAP_SYNC leaves the block, and not the store, which nobody flushed', () => {
      expect(afterKill('sync', 'store', 4 * PAGE)).to.deep.equal({ extents: [[PAGE, 2 * PAGE]], byte: 0 })
    })

    it('K64: flushed and fenced leaves block and store', () => {
      expect(afterKill('sync', 'persist', 4 * PAGE)).to.deep.equal({ extents: [[PAGE, 2 * PAGE]], byte: 7 })
    })

    it('K64: of 2 MiB leaves all 2 MiB', () => {
      expect(afterKill('sync', 'store', HUGE)).to.deep.equal({ extents: [[0, HUGE]], byte: 0 })
    })

    it('K64: without MAP_SYNC leaves neither', () => {
      expect(afterKill('plain', 'store', 4 * PAGE)).to.deep.equal({ extents: [], byte: 0 })
    })
  })

  describe('faults', () => {
    let pool: Pool

    beforeEach(() => {
      pool = new Pool({ hugePages: false, faultWorkers: 1 })
    })
    afterEach(() => {
      pool.close()
    })

    const isMetadataDirty = (file: DaxFile): boolean =>
      machineOf(pool.pmem).inodes.hasFlags(file.inode, InodeFlag.MetadataDirty)

    /** Names of what the kernel did for a store; times and lookups left out. */
    function traceOf(mapping: DaxMapping, offset: number): string[] {
      const events: TraceEvent[] = []
      const listener = (event: TraceEvent): void => void events.push(event)
      // A fault ends a moment after its store went on: the last event of the one before is not ours.
      pool.faultsOf(() => undefined)
      pool.pmem.on('trace', listener)
      bytes(mapping)[offset] = 1
      pool.faultsOf(() => undefined)
      pool.pmem.drainTrace()
      pool.pmem.off('trace', listener)
      return events.map(({ name }) => name).filter((name) => !/^(page_fault|file_update|unmap)/.test(name))
    }

    it('K62: a store that allocates is told NEEDDSYNC, commits, and only then gets its page', () => {
      const file = pool.holes(4)
      const mapping = file.mmap({ sync: true })
      const begin = ['dax_pte_fault', 'dax_pte_fault_done', 'dax_finish_sync_fault']
      const end = ['dax_insert_pfn_mkwrite']
      expect(traceOf(mapping, 0), 'a clean file has nothing to write back').to.deep.equal([...begin, ...end])
      expect(isMetadataDirty(file), 'nothing is left to commit').to.equal(false)
      expect(file.stat().tags.dirty, 'the store itself is to be synced').to.equal(1)
      // Only the range of the fault is looked at, and its own entry is clean.
      const range = ['dax_writeback_range', 'dax_writeback_range_done']
      expect(traceOf(mapping, PAGE)).to.deep.equal([...begin, ...range, ...end])
      expect(file.stat().tags.dirty).to.equal(2)
    })

    it('K62, FACTS 8: a store to a committed block is an ordinary one', () => {
      const file = pool.data(4)
      expect(traceOf(file.mmap({ sync: true }), 0)).to.deep.equal(['dax_pte_fault', 'dax_pte_fault_done'])
    })

    it('K64: a load commits nothing: a block that another mapping made is lost until a MAP_SYNC store', () => {
      const file = pool.holes(4)
      const [plain, sync] = [file.mmap(), file.mmap({ sync: true })]
      bytes(plain)[PAGE] = 1
      expect(bytes(sync)[PAGE]).to.equal(1)
      pool.pmem.crash()
      expect(file.stat().blocks, 'only loaded').to.equal(0)
      bytes(plain)[PAGE] = 1
      bytes(sync)[2 * PAGE] = 1
      pool.pmem.crash()
      expect(file.stat().blocks, 'both: a commit is of the file').to.equal(16)
    })

    it('K60: a store after an msync goes through the whole path again, and dirties', () => {
      const file = pool.holes(4)
      const mapping = file.mmap({ sync: true })
      bytes(mapping)[0] = 1
      mapping.msync()
      expect(file.stat().tags.dirty).to.equal(0)
      expect(traceOf(mapping, 1)).to.deep.equal(['dax_pte_fault', 'dax_pte_fault_done'])
      mapping.msync()
      expect(pool.media(0, 2)).to.deep.equal([1, 1])
    })
  })
})

describe('MAP_SYNC over doubles', () => {
  const FILE = 1
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    const flags = VmaFlag.Read | VmaFlag.Write | VmaFlag.Shared | VmaFlag.Sync
    vma = kernel.vmas.insert({ inode: FILE, flags, pgoff: 0, pages: FILE_PAGES, address: 2 ** 30 })
  })

  /** What the file's commit does. */
  function onCommit(work: () => number): void {
    Object.assign(kernel.media, { commitBlocks: work })
  }

  it('K50, K62, K63: while metadata is committed the entry is clean, unlocked, and in no page table', () => {
    const seen: unknown[] = []
    onCommit(() => {
      seen.push(entryAt(kernel, FILE, 3).replace(/ pfn \d+/, ''), kernel.pageTable.pte(vma, 3))
      return 0
    })
    kernel.ports.onCall = (call) => seen.push(`${call} ${entryAt(kernel, FILE, 3).replace(/ pfn \d+/, '')}`)
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    expect(seen.slice(0, 4)).to.deep.equal(['D4', Pte.Absent, 'sync-media 1 D4', 'map v1:3 zero w D4+L dirty'])
  })

  it('K63: when the entry is gone after the commit nothing is mapped, and the access faults anew', () => {
    let commits = 0
    onCommit(() => {
      if (commits++ === 0) deleteEntries(kernel, FILE, 3, 3)
      return 0
    })
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    const calls = kernel.ports.calls.filter((call) => !call.startsWith('sync-media'))
    expect(calls.slice(0, 2)).to.deep.equal(['retry v1:3', 'map v1:3 media w'])
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+ dirty$/)
  })

  it('K50, K62: while somebody else commits the file, a store is synchronous still', () => {
    const dirty: boolean[] = []
    const look = (): void => void dirty.push(isMetadataDirty(kernel, FILE))
    onCommit(() => (look(), 0))
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    look()
    expect(dirty).to.deep.equal([true, false])
  })

  it('K62: a commit that fails is SIGBUS; the metadata is still to be committed and nothing stays locked', () => {
    onCommit(() => -ErrorNumber.EIO)
    expect(() => {
      kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    }).to.throw(Sigbus)
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+$/)
    expect(kernel.inodes.hasFlags(FILE, InodeFlag.MetadataDirty)).to.equal(true)
    expect(kernel.pageTable.load(kernel, mapFile(kernel, FILE), 3 * PAGE)).to.equal(0)
  })
})
