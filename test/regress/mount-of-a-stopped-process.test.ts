/**
 * mount waited for its fault workers by the clock: a process stopped for half a minute meanwhile, by Ctrl-Z or by a
 * freezer of containers, was told that they did not start in time, and close that they did not stop.
 */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const STOPPED_MS = 40_000

describe('a process that is stopped while it mounts', () => {
  const now = performance.now.bind(performance)

  before(function () {
    requireUserfaultfd(this)
  })

  afterEach(() => {
    performance.now = now
  })

  it('has not waited: mount and close go on', () => {
    const pool = temporaryDirectory()
    let stopped = 0
    performance.now = () => now() + (stopped += STOPPED_MS)
    const pmem = mount(pool)
    pmem.close()
    expect(pmem.isClosed).to.equal(true)
  })
})
