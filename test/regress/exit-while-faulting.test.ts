/**
 * process.exit of the main thread closes the userfaultfd under fault workers that are about to read it. They took the
 * EBADF for a failure of theirs, and told of a mount that is unusable.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const FIXTURE = fileURLToPath(new URL('./exit-while-faulting.fixture.js', import.meta.url))
const RUNS = 5

describe('exit of the main thread while Workers fault', function () {
  this.timeout(60_000)
  it('says nothing', function () {
    requireUserfaultfd(this)
    for (let run = 0; run < RUNS; run++) {
      const { status, stderr } = spawnSync(process.execPath, [FIXTURE, temporaryDirectory()], {
        encoding: 'utf8',
        timeout: 20_000,
      })
      expect({ status, stderr }).to.deep.equal({ status: 5, stderr: '' })
    }
  })
})
