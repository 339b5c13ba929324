/** DaxMapping's memory-management calls: what they do to the object, and what they refuse. */
import { expect } from 'chai'
import type { DaxFile, DaxMapping } from '../../lib/index.js'
import { PmemError } from '../../lib/index.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

function failureOf(work: () => unknown): { name: string; code?: string; offset?: number; message: string } {
  try {
    work()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}

describe('a mapping', () => {
  let pool: Pool
  let file: DaxFile
  let map: DaxMapping

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool()
    file = pool.data(4)
    map = file.mmap()
  })
  afterEach(() => pool.close())

  it('without a part is tried, not trusted: EFAULT with the offset', () => {
    map.munmap(PAGE, 2 * PAGE)
    expect(map.mapped).to.equal(true)
    expect([...map.tryRead(3 * PAGE, 1)]).to.deep.equal([19])
    expect(failureOf(() => map.tryRead(PAGE - 1, 10))).to.include({ code: 'EFAULT', offset: PAGE })
    expect(failureOf(() => map.tryWrite(2 * PAGE, Buffer.alloc(1)))).to.include({ code: 'EFAULT', offset: 2 * PAGE })
    expect(failureOf(() => map.msync())).to.include({ code: 'ENOMEM' })
    expect(failureOf(() => map.mincore())).to.include({ code: 'ENOMEM' })
    expect(failureOf(() => map.mremap(8 * PAGE))).to.include({ code: 'EFAULT' })
    map.persist(0, PAGE)
    map.unmap()
  })

  it('of which everything is unmapped is unmapped', () => {
    map.munmap(0)
    expect(map.mapped).to.equal(false)
    expect(map.buffer.byteLength).to.equal(0)
    expect(pool.pmem.stats().memory.liveMappings).to.equal(0)
    expect(failureOf(() => map.munmap(0))).to.include({ code: 'EBADF' })
  })

  it('whose parts are all gone keeps its file until it is unmapped', () => {
    file.close()
    map.munmap(0, 2 * PAGE)
    map.munmap(2 * PAGE)
    expect(pool.pmem.stats().memory).to.include({ liveMappings: 0, inodes: 1 })
    expect(map.flush(0, PAGE)).to.equal(0)
    map.unmap()
    expect(pool.pmem.stats().memory.inodes).to.equal(0)
  })

  it('is protected by part: EACCES with the offset', () => {
    map.mprotect(PAGE, PAGE, 'r')
    map.mprotect(2 * PAGE, PAGE, 'none')
    expect(failureOf(() => map.tryWrite(PAGE - 2, Buffer.alloc(9)))).to.include({ code: 'EACCES', offset: PAGE })
    expect(failureOf(() => map.tryWrite(PAGE, Buffer.alloc(1))).message).to.match(/read-only/)
    expect([...map.tryRead(PAGE, 1)]).to.deep.equal([17])
    expect(failureOf(() => map.tryRead(PAGE, 2 * PAGE))).to.include({ code: 'EACCES', offset: 2 * PAGE })
    map.mprotect(0, map.byteLength, 'rw')
    map.tryWrite(PAGE, Buffer.of(5))
    expect(bytes(map)[PAGE]).to.equal(5)
  })

  it('made with protection none, w, MAP_SYNC, MAP_POPULATE', () => {
    const none = file.mmap({ protection: 'none' })
    expect(none.info).to.deep.equal({
      offset: 0,
      sharing: 'shared',
      protection: 'none',
      sync: false,
      dirtyTracking: 'sync',
    })
    expect(failureOf(() => none.tryRead(0, 1))).to.include({ code: 'EACCES', offset: 0 })
    const writable = file.mmap({ protection: 'w', sync: true })
    bytes(writable)[0] = 9
    expect(bytes(writable)[0]).to.equal(9)
    const populated = file.mmap({ populate: true, sharing: 'private' })
    expect([...populated.mincore()]).to.deep.equal([1, 1, 1, 1])
  })

  it('past EOF: a SIGBUS is an EIO, changes mtime when it was a store (FACTS 4), and heals when the file grows', () => {
    const long = file.mmap({ length: 8 * PAGE })
    expect(failureOf(() => long.tryRead(5 * PAGE, 1))).to.include({ code: 'EIO', offset: 5 * PAGE })
    expect(failureOf(() => long.tryWrite(5 * PAGE, Buffer.of(1)))).to.include({ code: 'EIO', offset: 5 * PAGE })
    expect(failureOf(() => long.mlock())).to.include({ code: 'ENOMEM' })
    expect(failureOf(() => long.madvise('populate_read'))).to.include({ code: 'EFAULT' })
    file.truncate(8 * PAGE)
    long.tryWrite(5 * PAGE, Buffer.of(1))
    long.mlock()
    expect([...long.mincore()]).to.deep.equal(Array<number>(8).fill(1))
    long.munlock()
  })

  it('grows and shrinks: the old buffer is detached, the new one has the stores', () => {
    const old = map.buffer
    bytes(map)[0] = 7
    file.truncate(64 * PAGE)
    map.mremap(64 * PAGE)
    expect(old.byteLength).to.equal(0)
    expect(map.byteLength).to.equal(64 * PAGE)
    expect([bytes(map)[0], bytes(map)[3 * PAGE], bytes(map)[63 * PAGE]]).to.deep.equal([7, 19, 0])
    map.mremap(100)
    expect(map.buffer.byteLength).to.equal(100)
    map.msync()
    expect(pool.media(0)).to.deep.equal([7])
    map.mremap('1MiB', { mayMove: false })
    expect(map.buffer.byteLength).to.equal(2 ** 20)
  })

  it('that cannot grow stays as it was', () => {
    pool.close()
    pool = new Pool({ maxMappings: 2 })
    file = pool.holes(4)
    map = file.mmap()
    bytes(map)[0] = 7
    map.munmap(2 * PAGE)
    expect(failureOf(() => map.mremap(9 * PAGE))).to.include({ code: 'EFAULT' })
    expect(bytes(map)[0]).to.equal(7)
  })

  it('takes advice by name', () => {
    for (const advice of ['normal', 'willneed', 'nohugepage', 'cold'] as const) map.madvise(advice)
    bytes(map)[0] = 7
    map.madvise('dontneed', 0, PAGE)
    expect([...map.mincore(0, PAGE)]).to.deep.equal([0])
    expect(bytes(map)[0]).to.equal(7)
    map.madvise('remove', PAGE, PAGE)
    expect(bytes(map)[PAGE]).to.equal(0)
    expect(failureOf(() => map.madvise('collapse'))).to.include({ code: 'EINVAL' })
    expect(failureOf(() => file.mmap({ sharing: 'private' }).madvise('remove'))).to.include({ code: 'EACCES' })
  })

  it('of a file open for reading cannot be made writable, unless it is private', () => {
    const reader = pool.pmem.open('a.pm', { readOnly: true })
    const shared = reader.mmap({ protection: 'r' })
    expect(failureOf(() => shared.mprotect(0, PAGE, 'rw'))).to.include({ code: 'EACCES' })
    const copy = reader.mmap({ protection: 'r', sharing: 'private' })
    copy.mprotect(0, PAGE, 'rw')
    bytes(copy)[0] = 1
    expect(bytes(shared)[0]).to.equal(16)
  })

  it('syncs by mode', () => {
    bytes(map)[0] = 7
    map.msync(0, PAGE, { mode: 'async', invalidate: true })
    map.msync(0, PAGE, { mode: 'invalidate' })
    expect(pool.media(0)).to.deep.equal([16])
    map.msync(0, 1, { invalidate: true })
    expect(pool.media(0)).to.deep.equal([7])
  })

  it('survives a power failure in pieces', () => {
    file.sync()
    map.mprotect(PAGE, PAGE, 'r')
    map.munmap(2 * PAGE, PAGE)
    bytes(map)[0] = 7
    pool.pmem.crash()
    expect([bytes(map)[0], bytes(map)[PAGE], bytes(map)[3 * PAGE]]).to.deep.equal([16, 17, 19])
    bytes(map)[0] = 8
    map.mprotect(PAGE, PAGE, 'rw')
  })

  describe('given nonsense', () => {
    const misuse: [string, (map: DaxMapping) => unknown, string][] = [
      ['munmap of half a page', (m) => m.munmap(100), 'RangeError'],
      ['munmap beyond the end', (m) => m.munmap(0, 5 * PAGE), 'RangeError'],
      ['munmap of a string', (m) => m.munmap('0' as never), 'TypeError'],
      ['mprotect with a word it does not know', (m) => m.mprotect(0, PAGE, 'rx' as never), 'RangeError'],
      ['mprotect without a protection', (m) => m.mprotect(0, PAGE, undefined as never), 'TypeError'],
      ['mprotect of half a page', (m) => m.mprotect(1, PAGE, 'r'), 'RangeError'],
      ['madvise with a word it does not know', (m) => m.madvise('dontned' as never), 'RangeError'],
      ['madvise by number', (m) => m.madvise(4 as never), 'TypeError'],
      ['madvise beyond the end', (m) => m.madvise('dontneed', 5 * PAGE), 'RangeError'],
      ['mincore of half a page', (m) => m.mincore(1), 'RangeError'],
      ['mincore with a negative length', (m) => m.mincore(0, -1), 'RangeError'],
      ['mlock beyond the end', (m) => m.mlock(0, 5 * PAGE), 'RangeError'],
      ['munlock of null', (m) => m.munlock(null as never), 'TypeError'],
      ['mremap to nothing', (m) => m.mremap(0), 'RangeError'],
      ['mremap to a negative length', (m) => m.mremap(-1), 'RangeError'],
      ['mremap to a size that is none', (m) => m.mremap('big'), 'RangeError'],
      ['mremap with an unknown option', (m) => m.mremap(PAGE, { mayMov: true } as never), 'TypeError'],
      ['mremap with a wrong option', (m) => m.mremap(PAGE, { mayMove: 1 } as never), 'TypeError'],
      ['msync with a wrong option', (m) => m.msync(0, PAGE, { invalidate: 1 } as never), 'TypeError'],
    ]
    for (const [title, call, name] of misuse) {
      it(`${title} is a ${name}, and nothing happens`, () => {
        const error = failureOf(() => call(map))
        expect(error.name).to.equal(name)
        expect(error.message).to.match(/must .* but received/)
        expect([0, 1, 2, 3].map((page) => bytes(map)[page * PAGE])).to.deep.equal([16, 17, 18, 19])
      })
    }

    it('mmap with options of the wrong kind', () => {
      for (const options of [{ sync: 1 }, { populate: 'yes' }, { protection: 3 }]) {
        expect(failureOf(() => file.mmap(options as never)).name).to.equal('TypeError')
      }
      expect(failureOf(() => file.mmap({ protection: 'rx' } as never)).name).to.equal('RangeError')
    })

    it('every call after unmap is EBADF', () => {
      map.unmap()
      const calls = [
        () => map.munmap(0),
        () => map.mprotect(0, 0, 'r'),
        () => map.madvise('normal'),
        () => map.mincore(),
        () => map.mlock(),
        () => map.munlock(),
        () => map.mremap(PAGE),
        () => map.msync(),
      ]
      for (const call of calls) {
        const error = failureOf(call)
        expect(error).to.be.instanceOf(PmemError)
        expect(error.code).to.equal('EBADF')
      }
    })
  })
})
