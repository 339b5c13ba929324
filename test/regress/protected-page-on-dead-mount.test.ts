/**
 * 1. Thread A stores to page P and syncs it: P is present, write-protected.
 * 2. The fault handler throws at A's next store to P: the mount is dead, the fault is to end in SIGBUS.
 * 3. P is dropped from the page table, which leaves a protection marker in its place; UFFDIO_POISON is refused over it.
 * 4. A is woken, faults again, and again.
 *
 * Failed by: a process that spins for ever (dead-mount.test.ts, "ends an msync that runs meanwhile", one run in ten).
 */
import { expect } from 'chai'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: a store to a protected page of a dead mount', function () {
  this.timeout(30_000)
  it('is EIO, not an endless fault', function () {
    requireUserfaultfd(this)
    const result = runFixture('../regress/protected-page.fixture', [temporaryDirectory()])
    expect(result.status, result.stderr).to.equal(0)
    expect(result.reports).to.deep.equal([{ code: 'EIO' }])
  })
})
