/** What the memory-management calls do to mappings, page tables and files. FACTS numbers are those of the oracle. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { Advice, HUGE, MapFlag, MremapFlag, MsyncFlag, PAGE, Prot, RW, Space } from './vm-space.js'

const POPULATE = MapFlag.Populate
const MOVE = MremapFlag.MayMove

describe('effects of the memory-management calls', () => {
  let space: Space

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    space = new Space()
  })
  afterEach(() => space.close())

  it('munmap of the middle leaves two mappings with their pages (golden munmap_middle)', () => {
    const address = space.map(space.data(4), 4 * PAGE)
    for (let page = 0; page < 4; page++) space.load(address + page * PAGE)
    space.munmap(address + PAGE, 2 * PAGE)
    const faults = space.faultsOf(() => {
      expect([0, 1, 2, 3].map((page) => space.load(address + page * PAGE))).to.deep.equal([
        16,
        'SIGSEGV',
        'SIGSEGV',
        19,
      ])
    })
    expect(faults).to.equal('0,0')
  })

  it('the references of pieces are given back: the file goes with the last of them', () => {
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    space.munmap(address + PAGE, PAGE)
    space.mprotect(address + 2 * PAGE, PAGE, Prot.Read)
    space.pool.pmem.unlink('a.pm')
    file.close()
    expect(space.load(address + 3 * PAGE)).to.equal(19)
    expect(space.pool.pmem.stats().memory.inodes).to.equal(1)
    space.munmap(address, 4 * PAGE)
    expect(space.pool.pmem.stats().memory).to.include({ inodes: 0, liveMappings: 0 })
  })

  it('MAP_FIXED over a part of a mapping replaces that part (golden map_fixed_over)', () => {
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    for (let page = 0; page < 4; page++) space.load(address + page * PAGE)
    const over = address + PAGE
    expect(space.map(file, PAGE, { offset: 3 * PAGE, flags: MapFlag.Shared | MapFlag.Fixed, address: over })).to.equal(
      over,
    )
    expect(space.faultsOf(() => expect(space.load(over)).to.equal(19))).to.equal('1,0')
    space.store(over, 90)
    expect(space.load(address + 3 * PAGE), 'the same page of the file').to.equal(90)
  })

  it('mprotect: dirty pages are writable again without a fault, clean ones with one', () => {
    const address = space.map(space.data(2), 2 * PAGE)
    space.store(address, 1)
    space.load(address + PAGE)
    space.mprotect(address, 2 * PAGE, Prot.Read)
    expect(space.store(address, 2)).to.equal('SIGSEGV')
    space.mprotect(address, 2 * PAGE, RW)
    expect(space.faultsOf(() => expect(space.store(address, 2)).to.equal('ok'))).to.equal('0,0')
    expect(space.faultsOf(() => expect(space.store(address + PAGE, 2)).to.equal('ok'))).to.equal('1,0')
  })

  it('pieces that say the same again are one mapping again: msync and 2 MiB faults see no seam', () => {
    const address = space.map(space.file(HUGE), HUGE)
    space.mprotect(address + PAGE, PAGE, Prot.Read)
    expect(space.pool.pmem.stats().memory.liveMappings).to.equal(3)
    space.mprotect(address, HUGE, RW)
    expect(space.pool.pmem.stats().memory.liveMappings).to.equal(1)
    space.store(address, 1)
    expect(space.pages(address, HUGE)).to.equal('d*512,')
  })

  it('mappings of different open files are never joined', () => {
    const file = space.data(4)
    const address = space.map(file, PAGE, { file: 1 })
    space.map(file, PAGE, { file: 2, offset: PAGE, address: address + PAGE })
    expect(space.pool.pmem.stats().memory.liveMappings).to.equal(2)
    space.map(file, PAGE, { file: 2, offset: 2 * PAGE, address: address + 2 * PAGE })
    expect(space.pool.pmem.stats().memory.liveMappings).to.equal(2)
    expect([0, 1, 2].map((page) => space.load(address + page * PAGE))).to.deep.equal([16, 17, 18])
  })

  it('FACTS 20: mprotect of a part drops a 2 MiB entry; the pieces are faulted in by 4 KiB', () => {
    const address = space.map(space.file(HUGE), HUGE)
    space.store(address, 65)
    space.mprotect(address + HUGE / 2, PAGE, Prot.Read)
    expect(space.pages(address, HUGE)).to.equal('.*512,')
    expect(space.load(address + HUGE / 2)).to.equal(0)
    expect(space.load(address)).to.equal(65)
    expect(space.pages(address, HUGE)).to.equal('d*1,.*255,d*1,.*255,')
  })

  it('FACTS 20: munmap of a part drops a 2 MiB entry', () => {
    const address = space.map(space.file(HUGE), HUGE)
    space.store(address, 65)
    space.munmap(address + HUGE - PAGE, PAGE)
    expect(space.pages(address, HUGE)).to.equal('.*512,')
    expect(space.faultsOf(() => expect(space.load(address)).to.equal(65))).to.equal('1,0')
    expect(space.pages(address, HUGE)).to.equal('d*1,.*511,')
  })

  it('FACTS 20: MADV_DONTNEED of a part drops a 2 MiB entry, and the next fault maps it again', () => {
    const address = space.map(space.file(HUGE), HUGE)
    space.store(address, 65)
    space.madvise(address + HUGE / 2, PAGE, Advice.DontNeed)
    expect(space.pages(address, HUGE)).to.equal('.*512,')
    expect(space.faultsOf(() => space.load(address))).to.equal('1,0')
    expect(space.pages(address, HUGE)).to.equal('d*512,')
  })

  it('FACTS 20: an aligned mremap moves a 2 MiB entry, a misaligned one drops it (golden pmd_mremap)', () => {
    const address = space.map(space.file(HUGE), HUGE)
    space.store(address, 65)
    const moved = space.mremap(address, HUGE, HUGE, MOVE | MremapFlag.Fixed)
    expect(space.pages(moved, HUGE)).to.equal('d*512,')
    expect(space.faultsOf(() => expect(space.load(moved)).to.equal(65))).to.equal('0,0')
    expect(space.load(address)).to.equal('SIGSEGV')
    const off = space.mremap(moved, HUGE, HUGE, MOVE | MremapFlag.Fixed, undefined, PAGE)
    expect(off % HUGE).to.equal(PAGE)
    expect(space.pages(off, HUGE)).to.equal('.*512,')
    expect(space.faultsOf(() => expect(space.load(off)).to.equal(65))).to.equal('1,0')
    expect(space.pages(off, HUGE)).to.equal('d*1,.*511,')
  })

  it('FACTS 20: MADV_NOHUGEPAGE stops 2 MiB faults, MADV_HUGEPAGE lets them come again', () => {
    const address = space.map(space.file(2 * HUGE), 2 * HUGE)
    space.madvise(address, 2 * HUGE, Advice.NoHugePage)
    space.load(address)
    space.madvise(address, 2 * HUGE, Advice.HugePage)
    space.load(address + HUGE)
    expect(space.pages(address, 2 * HUGE)).to.equal('z*1,.*511,Z*512,')
  })

  it('a page table goes with the last mapping that uses it, and a neighbour keeps it', () => {
    const file = space.file(HUGE)
    const address = space.map(file, HUGE)
    const fixed = { flags: MapFlag.Shared | MapFlag.Fixed, address }
    const forgetEntries = (): void => {
      file.truncate(0)
      file.truncate(HUGE)
    }
    space.madvise(address, HUGE, Advice.NoHugePage)
    space.load(address)
    space.map(file, HUGE, fixed)
    forgetEntries()
    space.load(address)
    expect(space.pages(address, HUGE), 'all of it replaced: 2 MiB are tried').to.equal('Z*512,')
    space.munmap(address, HUGE / 2)
    space.load(address + HUGE / 2)
    space.map(file, HUGE / 2, fixed)
    forgetEntries()
    expect(space.pool.pmem.stats().memory.liveMappings, 'one mapping again').to.equal(1)
    space.load(address)
    expect(space.pages(address, HUGE), 'the table of the second half is still there').to.equal('z*1,.*511,')
  })

  describe('mremap', () => {
    it('grows and shrinks in place, with what is mapped (golden mremap)', () => {
      const address = space.map(space.data(4), 2 * PAGE)
      space.store(address, 65)
      expect(space.mremap(address, 2 * PAGE, 4 * PAGE, 0)).to.equal(address)
      expect(space.faultsOf(() => expect(space.load(address)).to.equal(65))).to.equal('0,0')
      expect(space.load(address + 3 * PAGE)).to.equal(19)
      expect(space.mremap(address, 4 * PAGE, 8 * PAGE, MOVE)).to.equal(address)
      expect(space.load(address + 5 * PAGE)).to.equal('SIGBUS')
      expect(space.mremap(address, 8 * PAGE, PAGE, 0)).to.equal(address)
      expect(space.load(address + PAGE)).to.equal('SIGSEGV')
      expect(space.pool.pmem.stats().memory.liveMappings).to.equal(1)
    })

    it('moves pages with their protection: a dirty one stays writable, a clean one faults', () => {
      const address = space.map(space.data(2), 2 * PAGE)
      space.store(address, 65)
      space.load(address + PAGE)
      const moved = space.mremap(address, 2 * PAGE, 2 * PAGE, MOVE | MremapFlag.Fixed)
      expect(space.pages(moved, 2 * PAGE)).to.equal('d*2,')
      expect(space.faultsOf(() => space.store(moved + 8, 66))).to.equal('0,0')
      expect(space.faultsOf(() => space.store(moved + PAGE, 66))).to.equal('1,0')
    })

    it('keeps what was stored at risk until a sync, which protects the new place', () => {
      const file = space.data(1)
      file.sync()
      const address = space.map(file, PAGE)
      space.store(address, 65)
      const moved = space.mremap(address, PAGE, PAGE, MOVE | MremapFlag.Fixed)
      expect(space.msync(moved, PAGE, MsyncFlag.Sync)).to.equal('ok')
      expect(space.pool.media(0)).to.deep.equal([65])
      expect(space.faultsOf(() => space.store(moved, 66))).to.equal('1,0')
    })

    it('moves private copies, of memory without any permission too', () => {
      const address = space.map(space.data(3), 3 * PAGE, { flags: MapFlag.Private })
      space.store(address, 65)
      space.load(address + PAGE)
      space.mprotect(address, 3 * PAGE, Prot.None)
      const moved = space.mremap(address, 3 * PAGE, 3 * PAGE, MOVE | MremapFlag.Fixed)
      expect(space.pages(moved, 3 * PAGE)).to.equal('a*1,d*1,.*1,')
      expect(space.load(moved)).to.equal('SIGSEGV')
      space.mprotect(moved, 3 * PAGE, RW)
      expect([0, 1, 2].map((page) => space.load(moved + page * PAGE))).to.deep.equal([65, 17, 18])
      expect(space.load(moved + 1)).to.equal(16)
    })

    it('of length 0 makes a second mapping; MREMAP_DONTUNMAP leaves the first one empty', () => {
      const address = space.map(space.data(1), PAGE)
      space.store(address, 65)
      const second = space.mremap(address, 0, PAGE, MOVE)
      expect(space.load(second)).to.equal(65)
      space.store(second, 67)
      expect(space.load(address)).to.equal(67)
      const third = space.mremap(address, PAGE, PAGE, MOVE | MremapFlag.DontUnmap)
      expect(space.pages(address, PAGE)).to.equal('.*1,')
      expect(space.pages(third, PAGE)).to.equal('d*1,')
      expect([address, second, third].map((at) => space.load(at))).to.deep.equal([67, 67, 67])
    })

    it('with nothing free behind it moves, and a mapping in the way of a fixed one goes', () => {
      const file = space.data(4)
      const address = space.map(file, PAGE)
      const next = space.map(file, PAGE, { address: address + PAGE, offset: 3 * PAGE })
      expect(next).to.equal(address + PAGE)
      expect(space.mremapAnswer(address, PAGE, 2 * PAGE, 0)).to.equal('ENOMEM')
      const moved = space.mremap(address, PAGE, 2 * PAGE, MOVE)
      expect(moved).to.not.equal(address)
      expect([space.load(moved), space.load(moved + PAGE)]).to.deep.equal([16, 17])
      expect(space.mremap(moved, 2 * PAGE, PAGE, MOVE | MremapFlag.Fixed, next)).to.equal(next)
      expect([space.load(next), space.load(moved)]).to.deep.equal([16, 'SIGSEGV'])
    })
  })

  describe('populate', () => {
    it('FACTS 23: a shared mapping is loaded, without allocating; a private one gets its copies', () => {
      const file = space.file(4 * PAGE)
      file.write(Buffer.alloc(PAGE, 97), 0)
      const faults = space.faultsOf(() => {
        expect(space.pages(space.map(file, 4 * PAGE, { flags: MapFlag.Shared | POPULATE }), 4 * PAGE)).to.equal(
          'd*1,z*3,',
        )
      })
      expect(faults).to.equal('4,0')
      expect(file.stat().blocks).to.equal(8)
      const copies = space.map(file, 4 * PAGE, { flags: MapFlag.Private | POPULATE })
      expect(space.pages(copies, 4 * PAGE)).to.equal('a*4,')
    })

    it('FACTS 23: MAP_POPULATE stops at EOF without an error; MAP_LOCKED and mlock populate too', () => {
      const file = space.data(2)
      const address = space.map(file, 4 * PAGE, { flags: MapFlag.Shared | POPULATE })
      expect(space.pages(address, 4 * PAGE)).to.equal('d*2,.*2,')
      expect(space.pages(space.map(file, 2 * PAGE, { flags: MapFlag.Shared | MapFlag.Locked }), 2 * PAGE)).to.equal(
        'd*2,',
      )
      const later = space.map(file, 2 * PAGE)
      space.mlock(later + PAGE, 1)
      expect(space.pages(later, 2 * PAGE)).to.equal('.*1,d*1,')
    })

    it('MADV_POPULATE_WRITE allocates; over a 2 MiB entry it has nothing to do', () => {
      const file = space.file(HUGE)
      const address = space.map(file, HUGE)
      expect(space.faultsOf(() => space.madvise(address, HUGE, Advice.PopulateRead))).to.equal('1,0')
      expect(space.pages(address, HUGE)).to.equal('Z*512,')
      expect(space.faultsOf(() => space.madvise(address, HUGE, Advice.PopulateWrite))).to.equal('1,0')
      expect(file.stat().blocks).to.equal(4096)
      expect(space.faultsOf(() => space.madvise(address, HUGE, Advice.PopulateWrite))).to.equal('0,0')
    })

    it('FACTS 23, 26: without space it is EFAULT, and works when there is some again', () => {
      space.close()
      space = new Space({ capacity: 16 * PAGE })
      const full = space.file(0, 'full.pm')
      full.fallocate({ offset: 0, length: 16 * PAGE })
      const address = space.map(space.file(4 * PAGE), 4 * PAGE)
      expect(space.madvise(address, PAGE, Advice.PopulateWrite)).to.equal('EFAULT')
      expect(space.madvise(address, PAGE, Advice.PopulateRead)).to.equal('ok')
      full.truncate(0)
      expect(space.madvise(address, PAGE, Advice.PopulateWrite)).to.equal('ok')
    })
  })

  it('FACTS 25: mincore says what this mapping has mapped', () => {
    const file = space.data(2)
    file.truncate(4 * PAGE)
    const address = space.map(file, 6 * PAGE)
    expect(space.mincore(address, 6 * PAGE)).to.equal('000000')
    space.load(address)
    space.load(address + 2 * PAGE)
    space.store(address + 3 * PAGE, 1)
    expect(space.mincore(address, 6 * PAGE)).to.equal('101100')
    expect(space.mincore(space.map(file, 4 * PAGE), 4 * PAGE)).to.equal('0000')
    const huge = space.map(space.file(HUGE, 'b.pm'), HUGE)
    space.load(huge + 5 * PAGE)
    expect(space.mincore(huge + 100 * PAGE, 4 * PAGE)).to.equal('1111')
  })

  it('FACTS 6: MS_ASYNC, MS_INVALIDATE and no flags write nothing; MS_SYNC its range only', () => {
    const file = space.data(2)
    file.sync()
    const address = space.map(file, 2 * PAGE)
    for (const at of [address, address + PAGE]) space.store(at, 65)
    for (const flags of [MsyncFlag.Async, MsyncFlag.Invalidate, 0]) space.msync(address, 2 * PAGE, flags)
    expect(space.pool.media(0)).to.deep.equal([16])
    space.msync(address, 1, MsyncFlag.Sync)
    expect([...space.pool.media(0), ...space.pool.media(PAGE)]).to.deep.equal([65, 17])
  })

  it('msync goes on behind a hole in the range, and a file open for reading has nothing to write', () => {
    const file = space.data(4)
    file.sync()
    const address = space.map(file, 4 * PAGE)
    space.munmap(address + PAGE, PAGE)
    space.store(address + 3 * PAGE, 65)
    expect(space.msync(address, 4 * PAGE, MsyncFlag.Sync)).to.equal('ENOMEM')
    expect(space.pool.media(3 * PAGE)).to.deep.equal([65])
    const readOnly = space.map(file, 4 * PAGE, { access: 'r', prot: Prot.Read })
    space.store(address, 66)
    expect(space.msync(readOnly, 4 * PAGE, MsyncFlag.Sync)).to.equal('ok')
    expect(space.pool.media(0)).to.deep.equal([16])
  })

  it('MADV_DONTNEED drops private copies, MADV_REMOVE punches the file', () => {
    const file = space.data(4)
    const copies = space.map(file, 4 * PAGE, { flags: MapFlag.Private })
    space.store(copies, 65)
    space.madvise(copies, PAGE, Advice.DontNeed)
    expect(space.load(copies)).to.equal(16)
    const address = space.map(file, 4 * PAGE)
    expect(space.load(address + PAGE)).to.equal(17)
    space.madvise(address + PAGE, 2 * PAGE, Advice.Remove)
    expect([0, 1, 2, 3].map((page) => space.load(address + page * PAGE))).to.deep.equal([16, 0, 0, 19])
    expect(file.stat().blocks).to.equal(16)
  })

  it('FACTS 9: MAP_SYNC with plain MAP_SHARED waits for metadata, with MAP_PRIVATE it means nothing', () => {
    const file = space.file(2 * PAGE)
    const address = space.map(file, PAGE, { flags: MapFlag.Shared | MapFlag.Sync })
    expect(
      space.faultsOf(() => space.store(address, 65)),
      'counts as minor (FACTS 8)',
    ).to.equal('1,0')
    const copy = space.map(file, PAGE, { flags: MapFlag.Private | MapFlag.Sync })
    expect(space.faultsOf(() => space.store(copy, 66))).to.equal('1,0')
    expect(space.load(address)).to.equal(65)
  })

  it('PROT_WRITE allows loads, PROT_NONE nothing (golden write_only_prot, prot_none)', () => {
    const file = space.data(1)
    const writable = space.map(file, PAGE, { prot: Prot.Write })
    expect(space.load(writable)).to.equal(16)
    expect(space.store(writable, 65)).to.equal('ok')
    const none = space.map(file, PAGE, { prot: Prot.None })
    expect([space.load(none), space.store(none, 1)]).to.deep.equal(['SIGSEGV', 'SIGSEGV'])
    space.mprotect(none, PAGE, Prot.Read)
    expect(space.load(none)).to.equal(65)
    expect(space.load(space.map(file, PAGE, { prot: Prot.Exec }))).to.equal(65)
  })
})
