/**
 * The three locking designs: what must hold under each of them, and what each lets run side by side.
 *
 * Every interleaving is made by stopping a thread inside its section (actor.ts). Where a fault sleeps differs from
 * design to design, that it sleeps does not: so nothing here looks at a wait queue.
 */
import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { LOCKING_NAMES, type LockingName } from '../../../lib/config.js'
import { grabEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { flushRange } from '../../../lib/dax/flush-range.js'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { ThreadWord } from '../../../lib/sync/threads.js'
import { Pte } from '../../support/model-page-table.js'
import {
  CAPACITY_PAGES,
  FILE_PAGES,
  type SmallKernel,
  entryAt,
  giveBlock,
  mapFile,
  smallKernel,
} from '../../support/small-kernel.js'
import { type Actor, settle } from './actor.js'
import { useActors } from './actors.js'

const FILE = 1
const OTHER_FILE = 2
const PAGE = 4096
const LAST = FILE_PAGES - 1

/** What goes on while a fault on page 3 is being served. */
const SIDE_BY_SIDE: Readonly<Record<LockingName, { readonly fault: boolean; readonly truncate: boolean }>> = {
  entry: { fault: true, truncate: true },
  range: { fault: true, truncate: true },
  inode: { fault: false, truncate: false },
}

for (const locking of LOCKING_NAMES) {
  describe(`dax/locking: ${locking}`, () => {
    let kernel: SmallKernel
    let vma: number

    beforeEach(() => {
      kernel = smallKernel({}, locking)
      vma = mapFile(kernel, FILE)
    })

    const start = useActors(() => kernel)

    const another = (): SmallKernel => ({ ...kernel, self: kernel.threads.attach(0) })

    it('S0.1, S3.3, S3.5: faults exclude each other on one page, on others only if the design says so', async () => {
      const elsewhere = mapFile(kernel, OTHER_FILE)
      const [a, b, c, d] = (await start(4)) as [Actor, Actor, Actor, Actor]
      const held = await a.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
      const same = b.run({ kind: 'load', vma, offset: 3 * PAGE })
      const next = c.run({ kind: 'store', vma, offset: 4 * PAGE, byte: 1 })
      await d.run({ kind: 'store', vma: elsewhere, offset: 3 * PAGE, byte: 1 })
      await settle()
      expect([b.finished, c.finished]).to.deep.equal([0, SIDE_BY_SIDE[locking].fault ? 1 : 0])
      a.release()
      await Promise.all([held.done, same, next])
      expect(entryAt(kernel, FILE, 3)).to.equal('Z4')
    })

    it('S0.2, S3.4: a store that allocates waits for a load that saw the hole, in any mapping', async () => {
      const other = mapFile(kernel, FILE)
      const [reader, writer] = (await start(2)) as [Actor, Actor]
      const load = await reader.runToPause({ kind: 'load', vma: other, offset: 3 * PAGE, pauseAt: 'map' })
      const store = writer.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 7 })
      await settle()
      expect([writer.finished, kernel.pfns.freePages]).to.deep.equal([0, CAPACITY_PAGES])
      reader.release()
      expect(await load.done).to.be.oneOf([0, 7])
      expect(await store).to.equal(7)
      expect(kernel.pageTable.load(kernel, other, 3 * PAGE)).to.equal(7)
    })

    it('S0.4, S3.4: many first stores to one page are all served, and none wipes another', async () => {
      const [holder, ...others] = (await start(5)) as [Actor, ...Actor[]]
      const held = await holder.runToPause({ kind: 'store', vma, offset: 3 * PAGE, byte: 1, pauseAt: 'map' })
      const stores = others.map((actor, i) => actor.run({ kind: 'store', vma, offset: 3 * PAGE + 1 + i, byte: 2 + i }))
      await settle()
      expect(others.map(({ finished }) => finished)).to.deep.equal([0, 0, 0, 0])
      holder.release()
      await Promise.all([held.done, ...stores])
      expect([...kernel.media.cacheBytes(FILE, 3 * PAGE, 5)]).to.deep.equal([1, 2, 3, 4, 5])
    })

    it('S3.1, S3.2, S0.9, K84: a truncate or punch keeps faults out, after those before it have ended', async () => {
      giveBlock(kernel, FILE, 5, 9)
      const [before, during, cut] = (await start(3)) as [Actor, Actor, Actor]
      const first = await before.runToPause({ kind: 'load', vma, offset: 5 * PAGE, pauseAt: 'map' })
      const truncate = cut.run({ kind: 'truncate', inode: FILE, first: 4, last: LAST })
      await settle()
      expect(cut.finished, 'a fault is being served').to.equal(0)
      before.release()
      expect(await first.done, 'its block was not freed under it').to.equal(9)
      await truncate
      kernel.locking.beginTruncate(kernel, FILE, 4, LAST)
      kernel.pageTable.unmapPages(FILE, 4, FILE_PAGES)
      const second = during.run({ kind: 'load', vma, offset: 5 * PAGE })
      deleteEntries(kernel, FILE, 4, LAST)
      kernel.media.dropCache(FILE, 4 * PAGE, (LAST - 3) * PAGE)
      kernel.blocks.free(kernel.inodes.at(FILE) + InodeWord.BlockRoot, 4, FILE_PAGES)
      await settle()
      expect([during.finished, kernel.pageTable.pte(vma, 5), entryAt(kernel, FILE, 5)]).to.deep.equal([
        0,
        Pte.Absent,
        'N',
      ])
      kernel.locking.endTruncate(kernel, FILE)
      expect(await second, 'no freed block is mapped').to.equal(0)
    })

    it('S3.5: a truncate elsewhere in the file goes on beside a fault only if the design says so', async () => {
      const [fault, cut] = (await start(2)) as [Actor, Actor]
      const load = await fault.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
      const truncate = cut.run({ kind: 'truncate', inode: FILE, first: 4, last: LAST })
      await settle()
      expect(cut.finished).to.equal(SIDE_BY_SIDE[locking].truncate ? 1 : 0)
      fault.release()
      await Promise.all([load.done, truncate])
    })

    it('a fault that may not sleep does not: not for a truncate, not for a fault on its page, not for a flush', () => {
      const other = another()
      const tries = (): boolean => {
        const entered = kernel.locking.beginFault(kernel, FILE, 3, 3, false)
        if (entered) kernel.locking.endFault(kernel, FILE)
        return entered
      }
      expect(tries()).to.equal(true)
      other.locking.beginTruncate(other, FILE, 0, LAST)
      expect(tries(), 'truncate').to.equal(false)
      other.locking.endTruncate(other, FILE)
      expect(other.locking.beginFault(other, FILE, 3, 3, true)).to.equal(true)
      expect(tries(), 'fault; under entry the entry decides').to.equal(locking === 'entry')
      other.locking.endFault(other, FILE)
      other.locking.beginFlush(other, FILE, 3, 3)
      expect(tries(), 'flush').to.equal(locking === 'entry')
      other.locking.endFlush(other, FILE)
      expect(tries()).to.equal(true)
    })

    it('nobody sleeps for the lock with an entry lock held (D4)', () => {
      const other = another()
      other.locking.beginTruncate(other, FILE, 0, LAST)
      const entry = grabEntry(kernel, FILE, 3, true)
      expect(() => kernel.locking.beginFault(kernel, FILE, 3, 3, true)).to.throw(BugError, 'holding an entry lock')
      unlockEntry(kernel, FILE, 3, entry)
    })

    it('a flush by a thread that is in no fault leaves nothing locked', () => {
      kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
      expect(flushRange(kernel, FILE, 3 * PAGE, 64)).to.equal(1)
      const record = kernel.threads.at(kernel.self)
      const held = [ThreadWord.SharedInode, ThreadWord.ExclusiveInode].map((at) => kernel.words.load(record + at))
      expect(held).to.deep.equal([0, 0])
    })

    it('S3.6: unlock where lock is meant, a lock leaked by an early return: both are bugs that throw', () => {
      const { locking: policy } = kernel
      expect(() => policy.endFault(kernel, FILE), 'do_cow_fault of the patch').to.throw(BugError, 'not held')
      expect(() => policy.endFlush(kernel, FILE)).to.throw(BugError, 'not held')
      expect(() => policy.endTruncate(kernel, FILE)).to.throw(BugError, 'not held')
      // The SIGBUS return of the patch: the next fault of that worker finds its own lock.
      expect(policy.beginFault(kernel, FILE, 3, 3, true)).to.equal(true)
      expect(() => policy.beginFault(kernel, FILE, 7, 7, true)).to.throw(BugError, 'a second')
      expect(() => policy.endFault(kernel, OTHER_FILE), 'of another file').to.throw(BugError, 'not held')
      policy.endFault(kernel, FILE)
    })

    it('S3.6: a fault that ends in SIGBUS early leaves nothing locked', () => {
      kernel.pfns.reserve(kernel.pfns.freePages)
      expect(() => kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)).to.throw()
      const other = another()
      other.locking.beginTruncate(other, FILE, 0, LAST)
      other.locking.endTruncate(other, FILE)
      expect(entryAt(kernel, FILE, 3)).to.equal('E4')
    })
  })
}
