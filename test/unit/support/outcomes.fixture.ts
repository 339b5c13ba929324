/** One test of each outcome, run by reporter.test.ts in a process of its own. FIXTURE_LEAK leaves a timer behind. */
import { expect } from 'chai'
import { seedFor } from '../../support/seed.js'

describe('outcomes', () => {
  it('passes', () => {
    if (process.env['FIXTURE_LEAK'] !== undefined) setInterval(() => undefined, 1000)
  })

  it.skip('is skipped', () => undefined)

  if (process.env['FIXTURE_FAIL'] !== undefined) {
    it('fails', () => {
      expect(seedFor('fails'), 'a message').to.equal(-1)
    })
  }
})
