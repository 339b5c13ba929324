/** Where fault workers wait, and what that costs. */
import { expect } from 'chai'
import { addon } from '../../lib/binding/load.js'
import { PAGE, Pool, bytes } from './pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const QUIET_MS = 500
/** Threads of tests before this one may be ending yet, and V8 compiles what was hot. */
const LOOKS = 10

describe('placement', function () {
  this.timeout(30_000)

  let pool: Pool | undefined

  before(function () {
    requireUserfaultfd(this)
  })

  afterEach(() => {
    pool?.close()
    pool = undefined
  })

  for (const placement of ['spin', 'sleep', 'colocate'] as const) {
    it(`${placement}: faults are served, and nothing runs when none come`, () => {
      pool = new Pool({ capacity: '16MiB', placement, hugePages: false })
      const view = bytes(pool.holes(64).mmap())
      for (let page = 0; page < 64; page++) view[page * PAGE] = page
      for (let page = 0; page < 64; page++) expect(view[page * PAGE]).to.equal(page)
      let least = Infinity
      for (let look = 0; look < LOOKS && least >= QUIET_MS / 20; look++) least = Math.min(least, cpuOfQuiet())
      expect(least, 'ms of CPU in half a second without faults').to.be.below(QUIET_MS / 20)
    })
  }

  it('colocate: holds who faults on one CPU with the worker, until the mount is closed', function () {
    const all = addon.getAffinity(0)
    pool = new Pool({ capacity: '16MiB', placement: 'colocate' })
    const view = bytes(pool.holes(1).mmap())
    expect(addon.getAffinity(0)).to.deep.equal(all)
    view[0] = 1
    expect(addon.getAffinity(0)).to.deep.equal(all.slice(-1))
    pool.close()
    pool = undefined
    expect(addon.getAffinity(0)).to.deep.equal(all)
  })

  it('colocate takes one worker only', () => {
    expect(() => new Pool({ placement: 'colocate', faultWorkers: 2 })).to.throw(RangeError, 'faultWorkers')
    expect(() => new Pool({ placement: 'somewhere' as 'spin' })).to.throw(RangeError, 'placement')
  })
})

/** Return: ms of CPU that the process used while this thread slept. */
function cpuOfQuiet(): number {
  const before = process.cpuUsage()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, QUIET_MS)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
