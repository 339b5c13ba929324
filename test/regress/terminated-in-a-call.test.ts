/**
 * 1. Worker A is inside a call, with the freeze (and whatever else) held. terminate() ends it there: no finally runs.
 * 2. Main wants the freeze exclusively: crash(), verify(), close().
 *
 * Failed by: a sleep without end in step 2.
 *
 * 1. Worker A mounts; main attaches, or does not. A is terminated: its fault workers, which are its children, go too.
 * 2. Main touches a page; or mounts the pool, which nobody uses any more.
 *
 * Failed by: a fault that nobody answers; EBUSY for ever.
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: a thread that was terminated', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  function run(scenario: string): Record<string, unknown> {
    const { status, signal, stderr, reports } = runFixture(
      '../regress/terminated-in-a-call.fixture',
      [scenario, temporaryDirectory()],
      30_000,
    )
    expect({ status, signal }, stderr).to.deep.equal({ status: 0, signal: null })
    return Object.assign({}, ...reports) as Record<string, unknown>
  }

  it('inside a call takes the mount with it, as soon as somebody needs what it held', () => {
    const { outcome, open, close, remounted, byte } = run('in-call')
    for (const { code, message } of [outcome, open] as { code: string; message: string }[]) {
      expect(code, message).to.equal('EIO')
      expect(message).to.match(/the mount is dead: thread \d+ was terminated inside fsync/)
    }
    expect({ close, remounted, byte }).to.deep.equal({ close: { code: 'ok', message: '' }, remounted: true, byte: 7 })
  })

  it('after it had mounted: who attached gets errors, and the pool is free after the last close', () => {
    const { before, outcome, open, close, remounted, byte } = run('mounts-for-others')
    for (const each of [outcome, open] as { code: string; message: string }[]) {
      expect(each.code, each.message).to.equal('EIO')
      expect(each.message).to.match(/the thread that mounted the pool was terminated/)
    }
    expect({ before, close, remounted, byte }).to.deep.equal({
      before: 7,
      close: { code: 'ok', message: '' },
      remounted: true,
      byte: 7,
    })
  })

  it('after it had mounted, with nobody else in the mount: the pool is free', () => {
    expect(run('mounts')).to.deep.equal({ remounted: true, byte: 7 })
  })
})
