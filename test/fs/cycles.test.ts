import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'

/** Each starts and ends worker threads, which is what takes the time: `npm run test:cycles` does 1,000. */
const CYCLES = process.env['CYCLES'] ?? '150'

describe('cycles of mount, map, fault and close', () => {
  it('leave descriptors, mappings and threads as they were', function () {
    requireUserfaultfd(this)
    this.timeout(600_000)
    const result = runFixture('cycles.fixture', [CYCLES, temporaryDirectory()], 600_000, ['--expose-gc'])
    expect(result.status, result.stderr).to.equal(0)
    const { before, after } = result.reports[0] as Record<'before' | 'after', Record<string, number>>
    expect(after).to.include({
      descriptors: before['descriptors'],
      threads: before['threads'],
      ours: before['ours'],
    })
    // The heap of V8 and malloc arenas move a little; a leak of one mapping a cycle would be hundreds.
    expect(after['mappings']).to.be.within(0, (before['mappings'] as number) + 40)
  })
})
