/** The soak for ten seconds, and its verdict. The long form is `npm run test:soak`. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { soak } from './soak.js'
import { KINDS, type Sample, judge } from './verdict.js'

const SECONDS = 10

function samplesOf(rss: (second: number) => number): Sample[] {
  return Array.from({ length: 100 }, (_, seconds) => ({
    seconds,
    rss: rss(seconds) * 2 ** 20,
    shared: 2 ** 20,
    virtual: 2 ** 32,
    heap: 2 ** 23,
    external: 2 ** 21,
    descriptors: 40 + (seconds % 7),
    threads: 20,
    mappings: 500 + (seconds % 13),
  }))
}

describe('soak', function () {
  this.timeout(10 * SECONDS * 1000)

  it(`fails on purpose for ${SECONDS} s, and no byte is wrong`, async function () {
    requireUserfaultfd(this)
    const { result, samples, injected } = await soak(SECONDS, seedFor('soak'), () => undefined)
    const { failure } = result
    if (failure !== undefined) expect.fail(`${failure.kind}, stress seed ${result.seed}: ${failure.message}`)
    expect(injected, 'errors injected').to.be.above(0)
    expect(samples.length).to.be.above(2)
    for (const { key } of KINDS) expect(samples.at(-1)?.[key], key).to.be.above(0)
  })

  it('calls growth behind the warm-up by its name', () => {
    const growing = (rss: (second: number) => number): string[] =>
      judge(samplesOf(rss)).flatMap(({ kind, isFlat }) => (isFlat ? [] : [kind.key]))
    expect(growing((second) => 300 + (second % 5) * 20)).to.deep.equal([])
    expect(growing((second) => (second < 20 ? 10 * second : 300))).to.deep.equal([])
    expect(growing((second) => 300 + second)).to.deep.equal(['rss'])
  })
})
