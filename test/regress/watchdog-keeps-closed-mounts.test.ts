/**
 * One watchdog looked at all mounts, and each mount started its timer again: whoever mounted oftener than once a second
 * was never looked at, and never let go of. And what it had let go of it did not collect, for its heap did not grow.
 * The shared words of each mount stayed until the process ended, 90 MiB of address space and about 1 MiB of memory.
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const MOUNTS = 80

describe('mounts that are closed', () => {
  it('are not held by the watchdog, though others are mounted all the time', function () {
    requireUserfaultfd(this)
    this.timeout(120_000)
    const args = [String(MOUNTS), temporaryDirectory()]
    const { status, stderr, reports } = runFixture('closed-mounts.fixture', args, 120_000, ['--expose-gc'])
    expect(status, stderr).to.equal(0)
    // Those of the last second, and a few until the collector thinks it worthwhile.
    expect(reports[0]?.['held']).to.be.within(0, (MOUNTS * 2) / 3)
  })
})
