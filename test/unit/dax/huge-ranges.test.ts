/** Faults against truncate, punch and each other (seed 3): the range lock outside, the entry lock inside. */
import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { Page } from '../../../lib/constants.js'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { type SmallKernel, entryAt, giveBlock, mapFile, smallKernel } from '../../support/small-kernel.js'
import { Pte } from '../../support/model-page-table.js'
import { type Actor, SIGBUS, settle, until } from './actor.js'
import { useActors } from './actors.js'

const FILE = 1
const PAGE = 4096
const PMD = Page.PmdPages
const LAST = PMD - 1

describe('dax/fault against truncate', () => {
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
  })

  const start = useActors(() => kernel)

  /** The kernel as another thread of it sees it. */
  const another = (): SmallKernel => ({ ...kernel, self: kernel.threads.attach(0) })

  /** What punch and truncate do to pages [first, end), in their order. */
  function takeOut(first: number, end: number): void {
    kernel.pageTable.unmapPages(FILE, first, end - first)
    deleteEntries(kernel, FILE, first, end - 1)
    kernel.media.dropCache(FILE, first * PAGE, (end - first) * PAGE)
    kernel.blocks.free(kernel.inodes.at(FILE) + InodeWord.BlockRoot, first, end - first)
  }

  it('S3.1, K84: a fault that comes during a truncate sees the new size, and maps no freed block', async () => {
    giveBlock(kernel, FILE, 3, 9)
    const [a] = (await start(1)) as [Actor]
    kernel.locking.beginTruncate(kernel, FILE, 0, LAST)
    const load = a.run({ kind: 'load', vma, offset: 3 * PAGE })
    await settle()
    expect(a.finished, 'waits').to.equal(0)
    kernel.inodes.setSize(FILE, 2 * PAGE)
    takeOut(2, 32)
    kernel.locking.endTruncate(kernel, FILE)
    expect(await load).to.equal(SIGBUS)
    expect([kernel.pageTable.pte(vma, 3), entryAt(kernel, FILE, 3)]).to.deep.equal([Pte.Absent, 'N'])
  })

  it('S3.1, S0.9: a truncate waits for the fault that has its block already', async () => {
    giveBlock(kernel, FILE, 3, 9)
    const [a] = (await start(1)) as [Actor]
    const load = await a.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
    const other = another()
    expect(other.locking.beginFault(other, FILE, 0, LAST, false), 'faults are let in').to.equal(true)
    other.locking.endFault(other, FILE)
    a.release()
    expect(await load.done).to.equal(9)
    kernel.locking.beginTruncate(kernel, FILE, 0, LAST)
    takeOut(0, 32)
    kernel.locking.endTruncate(kernel, FILE)
    expect(kernel.pageTable.pte(vma, 3)).to.equal(Pte.Absent)
  })

  it('S3.2, K84: a punch, which no size guards, is kept out by the lock alone', async () => {
    giveBlock(kernel, FILE, 3, 9)
    const [a] = (await start(1)) as [Actor]
    kernel.locking.beginTruncate(kernel, FILE, 0, LAST)
    const load = a.run({ kind: 'load', vma, offset: 3 * PAGE })
    await settle()
    expect(a.finished).to.equal(0)
    takeOut(3, 4)
    kernel.locking.endTruncate(kernel, FILE)
    expect(await load).to.equal(0)
    expect(entryAt(kernel, FILE, 3)).to.equal('Z4')
  })

  it('S3.3: faults share the range; on one page the entry keeps them apart', async () => {
    const [a, b, c] = (await start(3)) as [Actor, Actor, Actor]
    const held = await a.runToPause({ kind: 'store', vma, offset: 3 * PAGE, byte: 1, pauseAt: 'map' })
    await b.run({ kind: 'store', vma, offset: 4 * PAGE, byte: 1 })
    const same = c.run({ kind: 'store', vma, offset: 3 * PAGE + 1, byte: 2 })
    await until(() => kernel.waits.waiting(FILE, 3) === 1, 'the same page waits for its entry')
    a.release()
    await Promise.all([held.done, same])
    expect([...kernel.media.cacheBytes(FILE, 3 * PAGE, 2)], 'S3.4: neither wipes the other').to.deep.equal([1, 2])
  })

  it('S3.4: the zeroes of a new block are there before the first store, and are not written twice', async () => {
    const [a, b] = (await start(2)) as [Actor, Actor]
    await Promise.all([
      a.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 1 }),
      b.run({ kind: 'store', vma, offset: 3 * PAGE + 100, byte: 2 }),
    ])
    const page = kernel.media.cacheBytes(FILE, 3 * PAGE, 101)
    expect([page[0], page[1], page[100]]).to.deep.equal([1, 0, 2])
  })

  it('S3.5: an exclusive range keeps out faults of the 2 MiB it touches, and no others', () => {
    const other = another()
    kernel.locking.beginTruncate(kernel, FILE, PMD + 7, PMD + 8)
    const tries = [0, PMD, 2 * PMD].map((first) => {
      const entered = other.locking.beginFault(other, FILE, first, first + LAST, false)
      if (entered) other.locking.endFault(other, FILE)
      return entered
    })
    kernel.locking.endTruncate(kernel, FILE)
    expect(tries).to.deep.equal([true, false, true])
  })

  it('S3.6: a second range of one kind, and unlocking a truncate that never began, are bugs that throw', () => {
    const other = another()
    expect(other.locking.beginFault(other, FILE, 0, LAST, false)).to.equal(true)
    expect(() => other.locking.beginFault(other, FILE, PMD, PMD + LAST, false)).to.throw(BugError)
    expect(() => {
      kernel.locking.endTruncate(kernel, FILE)
    }).to.throw('not held')
  })

  it('S3.6: a fault that ends in SIGBUS early leaves neither range nor entry locked', () => {
    kernel.pfns.reserve(kernel.pfns.freePages)
    expect(() => {
      kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    }).to.throw()
    kernel.locking.beginTruncate(kernel, FILE, 0, LAST)
    kernel.locking.endTruncate(kernel, FILE)
    expect(entryAt(kernel, FILE, 3)).to.equal('E4')
  })
})
