/** Every workload of `faultline stress` for a short time. The long form is `npm run test:stress`. */
import { expect } from 'chai'
import { WORKLOADS } from '../../lib/stress/operations.js'
import { type StressOptions, type StressResult, runStress } from '../../lib/stress/run.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'

/** Of both runs together. */
const SECONDS = 30

async function expectSound(options: StressOptions): Promise<StressResult> {
  const result = await runStress(options)
  const { failure } = result
  if (failure !== undefined) {
    const { kind, workload, session, round, message } = failure
    expect.fail(`${kind} in ${workload}, session ${session}, round ${round}, stress seed ${result.seed}: ${message}`)
  }
  return result
}

describe('stress', function () {
  this.timeout(10 * SECONDS * 1000)

  before(function () {
    requireUserfaultfd(this)
  })

  for (const [flavour, threads] of [
    ['ext4', 4],
    ['xfs', 3],
  ] as const) {
    it(`S0.14 B1 B18 B19 B44 no byte and no invariant is wrong: ${threads} threads, ${flavour}`, async () => {
      const seed = seedFor(`stress ${flavour}`)
      const { workloads, checks } = await expectSound({ seed, flavour, threads, seconds: SECONDS / 2 })
      expect(workloads.map(({ workload }) => workload)).to.deep.equal([...WORKLOADS])
      for (const { workload, counts, kernel } of workloads) {
        const operations = counts.reduce((sum, count) => sum + count, 0)
        expect(operations, workload).to.be.above(100)
        expect(kernel.faults, `faults of ${workload}`).to.be.above(0)
      }
      expect(checks, 'looks at the whole state').to.be.at.least(WORKLOADS.length)
    })
  }
})
