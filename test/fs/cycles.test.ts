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
    const { descriptors, threads, named, readOnly } = before
    expect(after).to.include({ descriptors, threads, named, readOnly })
    // Shared words are collected with their last JS object, and the watchdog lets go of them within a second; a leak
    // would be one for each cycle.
    expect(after['large']).to.be.at.most((before['large'] as number) + Number(CYCLES) / 3)
    // Libasan keeps mappings of its own for each thread that ever was.
    if ((process.env['LD_PRELOAD'] ?? '').includes('libasan')) return
    // The heaps of V8 and of malloc grow and shrink by pieces of their own; a leak would be a mapping for each cycle.
    expect(after['mappings']).to.be.at.most((before['mappings'] as number) + Math.max(60, (Number(CYCLES) * 2) / 3))
  })
})
