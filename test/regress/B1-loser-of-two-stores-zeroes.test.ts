/** Two first stores to one page of a hole: what the second one finds must not be zeroed under the first. */
import { expect } from 'chai'
import { grabEntry, unlockEntry } from '../../lib/dax/grab-entry.js'
import { mapFile, smallKernel } from '../support/small-kernel.js'
import { Actor, until } from '../unit/dax/actor.js'

const FILE = 1
const PAGE = 4096

describe('two stores to one hole', () => {
  it('B1, S0.10: both are kept, wherever the second one stops', async () => {
    const kernel = smallKernel()
    const vma = mapFile(kernel, FILE)
    const [winner, loser] = await Promise.all([Actor.start(kernel.handle), Actor.start(kernel.handle)])
    const entry = grabEntry(kernel, FILE, 3, true)
    const first = winner.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 1 })
    await until(() => kernel.waits.waiting(FILE, 3) === 1, 'the first sleeps')
    // Should anything zero the page, it does so after the first has stored.
    const second = loser.run({ kind: 'store', vma, offset: 3 * PAGE + 8, byte: 2, pauseAt: 'zero-cache' })
    await until(() => kernel.waits.waiting(FILE, 3) === 2, 'the second sleeps')
    unlockEntry(kernel, FILE, 3, entry)
    await first
    loser.release()
    await second
    const bytes = kernel.media.cacheBytes(FILE, 3 * PAGE, 9)
    expect([bytes[0], bytes[8]]).to.deep.equal([1, 2])
    await Promise.all([winner.stop(), loser.stop()])
  })
})
