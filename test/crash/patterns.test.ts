/** Known patterns give the counts that were worked out by hand, by every way of feeding the explorer. */
import { expect } from 'chai'
import { explore, type ExploreOptions, type Region, type Report } from '../../lib/index.js'
import { patterns, type Pattern } from './patterns.js'

function run(pattern: Pattern, options?: ExploreOptions, size: number | string = 1024): Promise<Report> {
  const test = {
    size,
    ...(pattern.setup === undefined ? {} : { setup: (pool: Region) => pattern.setup?.(pool) }),
    workload: (pool: Region) => pattern.program(pool),
    check: (image: Buffer, { acknowledged }: { acknowledged: ReadonlySet<string> }) =>
      pattern.check(image, acknowledged),
  }
  return explore(test, options)
}

describe('crash patterns', () => {
  for (const pattern of patterns) {
    it(`${pattern.name}: ${pattern.unique} images, ${pattern.bad} bad`, async () => {
      const { counts, failures, findings } = await run(pattern)
      expect([counts.images, counts.bad]).to.deep.equal([pattern.unique, pattern.bad])
      expect(failures.length > 0).to.equal(pattern.bad > 0)
      if (pattern.bad === 0) expect(findings).to.deep.equal([])
    })
  }

  it('are found bad or not by the engines that look at part of the states', async () => {
    for (const pattern of patterns) {
      for (const engine of ['guided', 'deviating', 'random'] as const) {
        const { counts } = await run(pattern, { engine })
        expect(counts.bad > 0, `${pattern.name}, ${engine}`).to.equal(pattern.bad > 0)
        expect(counts.images).to.be.at.most(pattern.unique)
      }
      expect((await run(pattern, { engine: 'prefix' })).counts.bad).to.be.at.most(pattern.bad)
    }
  })

  it('cost what changes, not the size of the region', async () => {
    const before = process.memoryUsage().rss
    for (const pattern of patterns) {
      const { counts } = await run(pattern, {}, '1GiB')
      expect([counts.images, counts.bad], pattern.name).to.deep.equal([pattern.unique, pattern.bad])
    }
    expect(process.memoryUsage().rss - before).to.be.below(2 ** 28)
  })

  it('are divided among shards without loss or overlap', async () => {
    for (const pattern of patterns) {
      let images = 0
      let bad = 0
      for (const shard of ['1/3', '2/3', '3/3']) {
        const { counts } = await run(pattern, { shard })
        images += counts.images
        bad += counts.bad
      }
      expect([images, bad], pattern.name).to.deep.equal([pattern.unique, pattern.bad])
    }
  })
})
