/** An entry that was only a lock is taken away under three sleepers. The first to wake finds nothing and goes. */
import { expect } from 'chai'
import { grabEntry } from '../../lib/dax/grab-entry.js'
import { removeLockedEntry } from '../../lib/dax/invalidate.js'
import { mapFile, smallKernel } from '../support/small-kernel.js'
import { Actor, until } from '../unit/dax/actor.js'

const FILE = 1
const PAGE = 4096

describe('an entry that is replaced', () => {
  it('B13, S0.5: wakes all who sleep on it, for the first of them may pass nothing on', async () => {
    const kernel = smallKernel()
    const vma = mapFile(kernel, FILE)
    const actors = await Promise.all([1, 2, 3].map(() => Actor.start(kernel.handle)))
    const entry = grabEntry(kernel, FILE, 3, true)
    const done: Promise<number>[] = []
    for (const [i, actor] of actors.entries()) {
      const job = i === 0 ? ({ kind: 'delete', inode: FILE, first: 3, last: 3 } as const) : undefined
      done.push(actor.run(job ?? { kind: 'load', vma, offset: 3 * PAGE }))
      await until(() => kernel.waits.waiting(FILE, 3) === done.length, 'it sleeps')
    }
    removeLockedEntry(kernel, FILE, 3, entry)
    const [, ...loaded] = await Promise.all(done)
    expect(loaded).to.deep.equal([0, 0])
    for (const actor of actors) await actor.stop()
  })
})
