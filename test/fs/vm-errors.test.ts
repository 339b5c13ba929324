/** What the memory-management calls refuse, in the kernel's order, on mappings of DAX files. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { Advice, MapFlag, MremapFlag, MsyncFlag, PAGE, Prot, RW, Space } from './vm-space.js'

const { Shared, Private, SharedValidate, Sync, Fixed, FixedNoReplace } = {
  Shared: MapFlag.Shared,
  Private: MapFlag.Private,
  SharedValidate: MapFlag.SharedValidate,
  Sync: MapFlag.Sync,
  Fixed: MapFlag.Fixed,
  FixedNoReplace: MapFlag.FixedNoReplace,
}

describe('errors of the memory-management calls', () => {
  let space: Space

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    space = new Space()
  })
  afterEach(() => space.close())

  it('mmap: length, offset, address', () => {
    const file = space.data(4)
    const answers = [
      space.mapAnswer(file, 0),
      space.mapAnswer(file, PAGE, { offset: 1 }),
      space.mapAnswer(file, -1),
      space.mapAnswer(file, 2 ** 48),
      space.mapAnswer(file, PAGE, { offset: -PAGE }),
      space.mapAnswer(file, PAGE, { flags: Shared | Fixed, address: 100 }),
      space.mapAnswer(file, PAGE, { flags: Shared | Fixed, address: 2 ** 47 }),
    ]
    expect(answers).to.deep.equal(['EINVAL', 'EINVAL', 'ENOMEM', 'ENOMEM', 'EOVERFLOW', 'EINVAL', 'ENOMEM'])
  })

  it('FACTS 9: mmap: only MAP_SHARED_VALIDATE looks at unknown flags, and MAP_SYNC goes with every type', () => {
    const file = space.data(4)
    const at = (flags: number): string => space.mapAnswer(file, PAGE, { flags })
    expect([0, 4, 0x8, Shared | MapFlag.HugeTlb, Private | MapFlag.GrowsDown].map(at)).to.deep.equal(
      Array<string>(5).fill('EINVAL'),
    )
    expect([Shared | 0x20_0000, Private | 0x20_0000].map(at)).to.deep.equal(['ok', 'ok'])
    expect([SharedValidate | 0x20_0000, SharedValidate | FixedNoReplace].map(at)).to.deep.equal([
      'EOPNOTSUPP',
      'EINVAL',
    ])
    expect([Shared | Sync, Private | Sync, SharedValidate | Sync].map(at)).to.deep.equal(['ok', 'ok', 'ok'])
    const free = space.map(file, PAGE)
    space.munmap(free, PAGE)
    const fixed = { flags: SharedValidate | FixedNoReplace, address: free }
    expect(space.mapAnswer(file, PAGE, fixed)).to.equal('EOPNOTSUPP')
  })

  it('mmap: what the file is open for (golden prot_errors)', () => {
    const file = space.data(4)
    const at = (access: 'r' | 'w' | 'rw', prot: number, flags: number): string =>
      space.mapAnswer(file, PAGE, { access, prot, flags })
    expect(at('r', RW, Shared)).to.equal('EACCES')
    expect(at('r', Prot.Write, SharedValidate)).to.equal('EACCES')
    expect(at('r', Prot.Read, Shared)).to.equal('ok')
    expect(at('r', RW, Private)).to.equal('ok')
    for (const flags of [Shared, Private]) expect(at('w', Prot.Read, flags)).to.equal('EACCES')
    expect(at('r', RW, SharedValidate | 0x20_0000), 'flags come first').to.equal('EOPNOTSUPP')
  })

  it('mmap: MAP_FIXED_NOREPLACE keeps its hands off, MAP_FIXED off memory that is not emulated', () => {
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    const inside = address + PAGE
    expect(space.mapAnswer(file, PAGE, { flags: Shared | FixedNoReplace, address: inside })).to.equal('EEXIST')
    const heap = new Uint8Array(3 * PAGE)
    const foreign = Math.ceil(space.machine.addon.addressOf(heap) / PAGE) * PAGE
    expect(space.mapAnswer(file, PAGE, { flags: Shared | Fixed, address: foreign })).to.equal('ENOMEM')
    expect(heap.every((byte) => byte === 0)).to.equal(true)
  })

  it('munmap (golden munmap_middle)', () => {
    const address = space.map(space.data(4), 4 * PAGE)
    expect(space.munmap(address + 100, PAGE)).to.equal('EINVAL')
    expect(space.munmap(address, 0)).to.equal('EINVAL')
    expect(space.munmap(address, -1)).to.equal('EINVAL')
    expect(space.munmap(address + PAGE, PAGE)).to.equal('ok')
    expect(space.munmap(address + PAGE, PAGE), 'nothing there').to.equal('ok')
  })

  it('mprotect: alignment, bits, holes, and what the file is open for', () => {
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    expect(space.mprotect(address + 1, PAGE, RW)).to.equal('EINVAL')
    expect(space.mprotect(address, PAGE, 0x100)).to.equal('EINVAL')
    expect(space.mprotect(address, PAGE, RW | Prot.GrowsDown)).to.equal('EINVAL')
    expect(space.mprotect(address, 0, RW)).to.equal('ok')
    expect(space.mprotect(address, -1, RW)).to.equal('ENOMEM')
    expect(space.mprotect(address, 5 * PAGE, Prot.Read)).to.equal('ENOMEM')
    expect(space.store(address, 1), 'what came before the hole is changed').to.equal('SIGSEGV')
    const readOnly = space.map(file, PAGE, { access: 'r', prot: Prot.Read })
    expect(space.mprotect(readOnly, PAGE, RW)).to.equal('EACCES')
    const copy = space.map(file, PAGE, { access: 'r', prot: Prot.Read, flags: Private })
    expect(space.mprotect(copy, PAGE, RW)).to.equal('ok')
  })

  it('msync (golden msync_errors, FACTS 25: a length of -1 is 0)', () => {
    const address = space.map(space.file(4 * PAGE), 4 * PAGE)
    const {
      Async,
      Invalidate,
      Sync: sync,
    } = {
      Async: MsyncFlag.Async,
      Invalidate: MsyncFlag.Invalidate,
      Sync: MsyncFlag.Sync,
    }
    expect(space.msync(address + 1, PAGE, sync)).to.equal('EINVAL')
    expect(space.msync(address, PAGE, sync | Async)).to.equal('EINVAL')
    expect(space.msync(address, PAGE, 8)).to.equal('EINVAL')
    expect(space.msync(address, 0, sync)).to.equal('ok')
    expect(space.msync(address, 5 * PAGE, sync)).to.equal('ENOMEM')
    expect(space.msync(address + 4 * PAGE, PAGE, sync)).to.equal('ENOMEM')
    expect(space.msync(address, -1, sync)).to.equal('ok')
    space.munmap(address + PAGE, PAGE)
    for (const flags of [sync, Async]) expect(space.msync(address, 4 * PAGE, flags)).to.equal('ENOMEM')
    for (const flags of [sync, 0, Invalidate, sync | Invalidate]) expect(space.msync(address, 1, flags)).to.equal('ok')
  })

  it('FACTS 22: nothing is ever locked: MS_INVALIDATE and MADV_DONTNEED work after mlock', () => {
    const address = space.map(space.data(1), PAGE)
    expect(space.mlock(address, PAGE)).to.equal('ok')
    expect(space.msync(address, PAGE, MsyncFlag.Invalidate)).to.equal('ok')
    expect(space.madvise(address, PAGE, Advice.DontNeed)).to.equal('ok')
    expect(space.munlock(address, PAGE)).to.equal('ok')
  })

  it('mlock: past EOF and over holes it is ENOMEM (golden mlock)', () => {
    const address = space.map(space.file(2 * PAGE), 4 * PAGE)
    expect(space.mlock(address + 100, 100)).to.equal('ok')
    expect(space.mlock(address, 4 * PAGE)).to.equal('ENOMEM')
    expect(space.mlock(address, 5 * PAGE)).to.equal('ENOMEM')
    expect(space.munlock(address, 4 * PAGE)).to.equal('ok')
    expect(space.munlock(address, 5 * PAGE)).to.equal('ENOMEM')
    expect(space.mlock(address, 0)).to.equal('ok')
    const none = space.map(space.file(PAGE, 'b.pm'), PAGE, { prot: Prot.None })
    expect(space.mlock(none, PAGE), 'without any permission').to.equal('ENOMEM')
  })

  it('madvise: unknown advice, alignment, holes', () => {
    const address = space.map(space.data(4), 4 * PAGE)
    expect(space.madvise(address, PAGE, 5)).to.equal('EINVAL')
    expect(space.madvise(address, PAGE, 102)).to.equal('EINVAL')
    expect(space.madvise(address + 1, PAGE, Advice.Normal)).to.equal('EINVAL')
    expect(space.madvise(address, -1, Advice.Normal)).to.equal('EINVAL')
    expect(space.madvise(address, 0, Advice.Normal)).to.equal('ok')
    expect(space.madvise(address, 5 * PAGE, Advice.Normal)).to.equal('ENOMEM')
    space.load(address)
    expect(space.madvise(address, 5 * PAGE, Advice.DontNeed)).to.equal('ENOMEM')
    expect(space.pages(address, PAGE), 'what is mapped was advised').to.equal('.*1,')
  })

  it('FACTS 25: madvise: what DAX accepts and ignores, and what it refuses', () => {
    const address = space.map(space.data(1), PAGE)
    const ignored = [Advice.WillNeed, Advice.Mergeable, Advice.Cold, Advice.PageOut, Advice.KeepOnFork]
    for (const advice of ignored) expect(space.madvise(address, PAGE, advice), `advice ${advice}`).to.equal('ok')
    for (const advice of [Advice.DoFork, Advice.DoDump, Advice.HugePage]) {
      expect(space.madvise(address, PAGE, advice), `advice ${advice}`).to.equal('ok')
    }
    for (const advice of [Advice.Free, Advice.Collapse, Advice.WipeOnFork]) {
      expect(space.madvise(address, PAGE, advice), `advice ${advice}`).to.equal('EINVAL')
    }
    expect(space.madvise(address, PAGE, Advice.HwPoison)).to.equal('EPERM')
  })

  it('FACTS 25: MADV_REMOVE needs a writable file, not a writable mapping', () => {
    const file = space.data(4)
    const at = (options: object): string => {
      const address = space.map(file, PAGE, options)
      return space.madvise(address, PAGE, Advice.Remove)
    }
    expect(at({ flags: Private })).to.equal('EACCES')
    expect(at({ access: 'r', prot: Prot.Read })).to.equal('EACCES')
    expect(at({ prot: Prot.Read })).to.equal('ok')
    expect(file.stat().blocks).to.equal(24)
  })

  it('MADV_POPULATE: permission, EOF, holes (golden madvise_populate)', () => {
    const address = space.map(space.file(4 * PAGE), 8 * PAGE)
    const { PopulateRead, PopulateWrite } = { PopulateRead: Advice.PopulateRead, PopulateWrite: Advice.PopulateWrite }
    expect(space.madvise(address, 8 * PAGE, PopulateRead)).to.equal('EFAULT')
    expect(space.madvise(address + 4 * PAGE, PAGE, PopulateWrite)).to.equal('EFAULT')
    expect(space.madvise(address + 7 * PAGE, 2 * PAGE, PopulateWrite)).to.equal('EFAULT')
    expect(space.madvise(address + 8 * PAGE, PAGE, PopulateRead)).to.equal('ENOMEM')
    space.mprotect(address, PAGE, Prot.Read)
    expect(space.madvise(address, PAGE, PopulateWrite)).to.equal('EINVAL')
    space.mprotect(address, PAGE, Prot.None)
    expect(space.madvise(address, PAGE, PopulateRead)).to.equal('EINVAL')
  })

  it('mincore (golden mincore)', () => {
    const address = space.map(space.data(2), 4 * PAGE)
    expect(space.mincore(address + 1, PAGE)).to.equal('EINVAL')
    expect(space.mincore(address, 5 * PAGE)).to.equal('ENOMEM')
    expect(space.mincore(address, -1)).to.equal('ENOMEM')
    expect(space.mincore(address, 0)).to.equal('')
    expect(space.mincore(address, 100)).to.equal('0')
    expect(space.mincore(address, 65 * PAGE)).to.equal('EFAULT')
  })

  it('mremap: flags, lengths, ranges', () => {
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    const {
      MayMove,
      Fixed: fixed,
      DontUnmap,
    } = {
      MayMove: MremapFlag.MayMove,
      Fixed: MremapFlag.Fixed,
      DontUnmap: MremapFlag.DontUnmap,
    }
    const cases: [string, number, number, number, number, number?][] = [
      ['EINVAL', address, PAGE, PAGE, 8],
      ['EINVAL', address, PAGE, PAGE, fixed, 2 ** 44],
      ['EINVAL', address, PAGE, PAGE, DontUnmap],
      ['EINVAL', address, PAGE, 2 * PAGE, DontUnmap | MayMove],
      ['EINVAL', address + 1, PAGE, PAGE, MayMove],
      ['EINVAL', address, PAGE, 0, MayMove],
      ['EINVAL', address, PAGE, -1, MayMove],
      ['EFAULT', address + 4 * PAGE, PAGE, PAGE, MayMove],
      ['EFAULT', address, 5 * PAGE, 6 * PAGE, MayMove],
      ['EINVAL', address, PAGE, PAGE, MayMove | fixed, address + 100],
      ['EINVAL', address, 4 * PAGE, 4 * PAGE, MayMove | fixed, address + PAGE],
      ['EINVAL', address, PAGE, PAGE, MayMove | fixed, 2 ** 47],
      ['ENOMEM', address, PAGE, 2 * PAGE, 0],
      ['ENOMEM', address, 4 * PAGE, 2 ** 48, MayMove],
      ['ok', address, PAGE, PAGE, 0],
    ]
    for (const [expected, at, from, to, flags, where] of cases) {
      expect(space.mremapAnswer(at, from, to, flags, where), `${from} to ${to}, flags ${flags}`).to.equal(expected)
    }
    const copy = space.map(file, PAGE, { flags: Private })
    expect(space.mremapAnswer(copy, 0, PAGE, MayMove), 'a second private mapping').to.equal('EINVAL')
  })

  it('every call that cuts a mapping says ENOMEM when there is no record, with nothing changed', () => {
    space.close()
    space = new Space({ maxMappings: 2 })
    const file = space.data(4)
    const address = space.map(file, 4 * PAGE)
    const other = space.map(file, PAGE)
    expect(space.munmap(address + PAGE, PAGE)).to.equal('ENOMEM')
    expect(space.mprotect(address + PAGE, PAGE, Prot.None)).to.equal('ENOMEM')
    expect(space.madvise(address + PAGE, PAGE, Advice.NoHugePage)).to.equal('ENOMEM')
    expect(space.mremapAnswer(address, PAGE, PAGE, MremapFlag.MayMove | MremapFlag.Fixed, other + 2 ** 30)).to.equal(
      'ENOMEM',
    )
    expect(space.mapAnswer(file, PAGE)).to.equal('ENOMEM')
    for (let page = 0; page < 4; page++) expect(space.load(address + page * PAGE)).to.equal(16 + page)
  })
})
