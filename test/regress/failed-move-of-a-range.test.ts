/**
 * 1. A file is synced. A collapse, or an insert, moves what is behind its point, on media too.
 * 2. Media fails on the way: the move itself, the new length, the note of bad blocks.
 * 3. The program is told, and goes on: it syncs, and the file is opened again.
 *
 * Failed by: blocks that had moved while bytes had not, so that durable bytes were gone; and a size that was not
 * changed when only the note had failed. Found by test/inject.
 */
import { expect } from 'chai'
import { type InjectRule, type Pmem, PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096
const PAGES = 8

/** Each page has its number in all bytes. */
function contents(pages: readonly number[]): Buffer {
  return Buffer.concat(pages.map((page) => Buffer.alloc(PAGE, page)))
}

const BEFORE = contents([1, 2, 3, 4, 5, 6, 7, 8])
const COLLAPSED = contents([1, 2, 5, 6, 7, 8])

function bytesOf(pmem: Pmem): Buffer {
  using file = pmem.open('a.pm')
  const bytes = Buffer.alloc(file.size)
  file.read(bytes, 0)
  return bytes
}

const CASES: readonly [mode: 'collapse' | 'insert', rule: InjectRule, expected: Buffer][] = [
  ['collapse', { operation: 'move', error: 'EIO', nth: 1 }, BEFORE],
  ['collapse', { operation: 'resize', error: 'EIO', nth: 1 }, COLLAPSED],
  ['insert', { operation: 'move', error: 'EIO', nth: 1 }, BEFORE],
  ['insert', { operation: 'resize', error: 'ENOSPC', nth: 1 }, BEFORE],
]

describe('regress: a range that could not be moved', () => {
  for (const [mode, rule, expected] of CASES) {
    it(`K84 ${mode}, ${rule.operation} fails: bytes, blocks and size stay together`, function () {
      requireUserfaultfd(this)
      const pool = temporaryDirectory()
      const pmem = mount(pool, { inject: [] })
      const file = pmem.open('a.pm', { create: true })
      file.write(BEFORE, 0)
      file.sync()
      pmem.inject([rule])
      const call = { mode, offset: 2 * PAGE, length: 2 * PAGE }
      expect(() => file.fallocate(call)).to.throw(PmemError, new RegExp(`^${rule.error ?? ''}:`))
      expect(bytesOf(pmem).equals(expected), 'at once').to.equal(true)
      pmem.verify()
      file.sync()
      pmem.close()
      using again = mount(pool)
      expect(bytesOf(again).equals(expected), 'after a remount').to.equal(true)
      again.verify()
    })
  }

  it('a collapse whose note of bad blocks fails has collapsed', function () {
    requireUserfaultfd(this)
    using pmem = mount(temporaryDirectory(), { inject: [] })
    const file = pmem.open('a.pm', { create: true })
    file.write(BEFORE, 0)
    file.sync()
    pmem.poison(file, (PAGES - 1) * PAGE, 512)
    pmem.inject([{ operation: 'note', error: 'ENOSPC' }])
    expect(() => file.fallocate({ mode: 'collapse', offset: 0, length: PAGE })).to.throw(PmemError, /^ENOSPC/)
    pmem.inject([])
    expect(file.size).to.equal((PAGES - 1) * PAGE)
    expect(pmem.badBlocks(file).blocks).to.deep.equal([{ offset: (PAGES - 2) * PAGE, length: 512 }])
    pmem.verify()
  })
})
