/**
 * 1. A Worker has locked the pool, or has also named the words of the mount, and is terminated: nothing refers to them.
 * 2. They are collected; then the Worker's environment ends and looks whether the mount is closed.
 *
 * Failed by: EBUSY for ever; a SIGSEGV in step 2 (in one of six runs of `fs/ends` with Node 22, never seen with 20).
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: a thread that was terminated while mounting', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  for (const step of ['locked', 'listed']) {
    it(`leaves a pool that can be mounted: ${step}`, () => {
      const { status, signal, stderr, reports } = runFixture(
        '../regress/terminated-while-mounting.fixture',
        [step, temporaryDirectory()],
        30_000,
        ['--expose-gc'],
      )
      expect({ status, signal }, stderr).to.deep.equal({ status: 0, signal: null })
      expect(reports).to.deep.equal([{ mounted: { code: 'ok', message: '' } }])
    })
  }
})
