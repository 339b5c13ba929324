/**
 * 1. exploreLive with a time limit; recovery of some images never ends, and calls the pool all the while.
 * 2. The limit ends it in the middle of a call: the freeze, the inode table, a mutex stay locked.
 * 3. The next image is made by a power failure, which wants them.
 *
 * Failed by: a sleep without end in step 3, for nearly every call; images that have something of another recovery.
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

/** 16 images, some of which recovery never comes back from. */
function explored(bad: number): Record<string, unknown> {
  return { images: 16, bad, said: ['time limit: recovery did not end within 1000 ms'] }
}

describe('regress: a time limit', function () {
  this.timeout(120_000)
  before(function () {
    requireUserfaultfd(this)
  })

  function run(scenario: string): Record<string, unknown> {
    const args = [scenario, temporaryDirectory()]
    const { status, signal, stderr, reports } = runFixture('../regress/time-limit-in-a-call.fixture', args, 60_000)
    expect({ status, signal, stderr }).to.deep.equal({ status: 0, signal: null, stderr: '' })
    return Object.assign({}, ...reports) as Record<string, unknown>
  }

  for (const calls of ['nothing fence crash verify sync', 'read truncate names mappings mount']) {
    it(`on recoveries that call for ever (${calls}) leaves the other images alone`, () => {
      expect(run(calls)).to.deep.equal(explored(5))
    })
  }

  it('that ends a call which takes longer still costs the mount, and the next image has another', () => {
    expect(run('asleep')).to.deep.equal(explored(2))
  })

  it('that ends a call to a mount of the program kills that mount, with the reason', () => {
    const { after, close, byte, said, ...rest } = run('own-mount')
    const [next, first] = said as [string, string]
    expect({ ...rest, said: [first] }).to.deep.equal(explored(2))
    expect(next).to.match(/^recovery: EIO: the mount is dead/)
    expect({ close, byte }).to.deep.equal({ close: { code: 'ok', message: '' }, byte: 7 })
    const { code, message } = after as { code: string; message: string }
    expect(code, message).to.equal('EIO')
    expect(message).to.match(/the mount is dead: fsync took longer than the time limit .* ended half-way/)
  })

  it('on the workload gives back the lock of all traced stores', () => {
    const { workload, stored } = run('workload')
    expect({ workload, stored }).to.deep.equal({ workload: 'did not end within 1000 ms', stored: true })
  })
})
