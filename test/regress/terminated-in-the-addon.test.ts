/**
 * 1. A Worker is in a call of the addon when terminate() is asked for.
 * 2. The call makes an object, a buffer or an error: each call of Node-API that may run JS fails, with nothing pending.
 *
 * Failed by: "FATAL ERROR: Error::New", the end of the process, with Node 24 and 26.
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'

describe('regress: a thread that was terminated in the addon', function () {
  this.timeout(60_000)

  it('is the only one that ends', () => {
    const { status, signal, stderr, reports } = runFixture('../regress/terminated-in-the-addon.fixture', ['6'], 50_000)
    expect({ status, signal }, stderr).to.deep.equal({ status: 0, signal: null })
    expect(reports).to.deep.equal([{ ended: 24 }])
  })
})
