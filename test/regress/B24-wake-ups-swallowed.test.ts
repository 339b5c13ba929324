/** Who was woken and does not take the lock: whoever sleeps behind it must still be woken by somebody. */
import { expect } from 'chai'
import { grabEntry, lockPages, rootOf, unlockEntry, unlockPages } from '../../lib/dax/grab-entry.js'
import { Mark } from '../../lib/tree/root.js'
import { type SmallKernel, mapFile, smallKernel } from '../support/small-kernel.js'
import { Actor, type Job, until } from '../unit/dax/actor.js'

const FILE = 1
const PAGE = 4096

describe('sleepers on one entry', () => {
  let kernel: SmallKernel
  let actors: Actor[] = []

  beforeEach(() => {
    kernel = smallKernel()
  })
  afterEach(async () => {
    for (const actor of actors) await actor.stop()
    actors = []
  })

  /** Each sleeps before the next begins. */
  async function queue(jobs: readonly Job[]): Promise<Promise<number>[]> {
    const done: Promise<number>[] = []
    for (const job of jobs) {
      const actor = await Actor.start(kernel.handle)
      actors.push(actor)
      done.push(actor.run(job))
      await until(() => kernel.waits.waiting(FILE, 3) === done.length, 'it sleeps')
    }
    return done
  }

  it('B24, K15, K16: a removal wakes all of five, of whom four find nothing', async () => {
    const entry = grabEntry(kernel, FILE, 3, true)
    const done = await queue(Array.from({ length: 5 }, () => ({ kind: 'delete', inode: FILE, first: 0, last: 9 })))
    unlockEntry(kernel, FILE, 3, entry)
    const removed = await Promise.all(done)
    expect(removed.reduce((sum, count) => sum + count)).to.equal(1)
  })

  it('B24, K15, S2.6: a sync that finds its entry clean by now passes the wake-up on', async () => {
    const vma = mapFile(kernel, FILE)
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    kernel.pageTable.forget(vma)
    const entry = grabEntry(kernel, FILE, 3, true)
    const done = await queue([
      { kind: 'sync', inode: FILE, first: 0, last: 9 },
      { kind: 'load', vma, offset: 3 * PAGE },
    ])
    // As another sync would leave it.
    lockPages(kernel, FILE)
    kernel.tree.clearMark(rootOf(kernel, FILE), 3, Mark.ToWrite)
    unlockPages(kernel, FILE)
    unlockEntry(kernel, FILE, 3, entry)
    expect(await Promise.all(done)).to.deep.equal([0, 1])
  })
})
