/** A 2 MiB entry that one mapping shows whole and others in part: a sync protects what each of them has of it. */
import { expect } from 'chai'
import { HUGE, PAGE, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a sync of a 2 MiB entry', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B38, K70, T11: protects mappings of a few of its pages, wherever they lie', () => {
    const space = new Space()
    const file = space.file(0)
    file.write(Buffer.alloc(HUGE, 5), 0)
    file.sync()
    const whole = space.map(file, HUGE)
    const part = space.map(file, 2 * PAGE, { offset: 100 * PAGE })
    expect([space.store(whole, 1), space.store(part + PAGE, 1)]).to.deep.equal(['ok', 'ok'])
    expect(file.stat().entries).to.deep.equal({ D2M: 1 })
    file.sync()
    expect(file.stat().tags.dirty).to.equal(0)
    expect(space.store(part + PAGE, 2)).to.equal('ok')
    expect(file.stat().tags.dirty, 'the store after it is seen').to.equal(1)
    file.sync()
    expect(space.pool.media(101 * PAGE)).to.deep.equal([2])
    space.close()
  })
})
