/** Random stores of all kinds, recorded and checked against the program that made them: a sample of `test:stores`. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { runTraced } from './traced-run.js'

describe('traced stores', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  it('of one thread are recorded to the byte and in order', async () => {
    const checker = await runTraced({
      pool: temporaryDirectory(),
      seed: seedFor('one'),
      threads: 1,
      operations: 10_000,
    })
    expect(checker.operations).to.equal(10_000)
    expect([...checker.widths.keys()], 'widths seen').to.include.members([1, 2, 4, 8, 16, 32, 64])
  })

  it('of several threads have one order, which memory agrees with', async () => {
    const checker = await runTraced({
      pool: temporaryDirectory(),
      seed: seedFor('three'),
      threads: 3,
      operations: 4_000,
    })
    expect(checker.operations).to.equal(12_000)
  })
})
