/** The soak for ten seconds, and its verdict. The long form is `npm run test:soak`. */
import { expect } from 'chai'
import { Prng } from '../../lib/prng.js'
import type { Resources } from '../../lib/stress/messages.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { soak } from './soak.js'
import { KINDS, type Sample, judge } from './verdict.js'

const SECONDS = 10

const FLAT: Omit<Sample, 'seconds'> = {
  rss: 300 * 2 ** 20,
  shared: 2 ** 24,
  virtual: 5 * 2 ** 30,
  heap: 2 ** 23,
  external: 2 ** 21,
  descriptors: 40,
  threads: 20,
  mappings: 1000,
}

/** Half an hour, in which `key` is what it is when flat times `factor` of the second. */
function samplesOf(key: keyof Resources, factor: (second: number) => number): Sample[] {
  return Array.from({ length: 1800 }, (_, seconds) => ({ ...FLAT, seconds, [key]: FLAT[key] * factor(seconds) }))
}

function growing(samples: readonly Sample[]): string[] {
  return judge(samples).flatMap(({ kind, isFlat }) => (isFlat ? [] : [kind.key]))
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
    // Caches are small, and there at times only.
    for (const { key } of KINDS) expect(samples.at(-1)?.[key], key).to.be.above(key === 'shared' ? -1 : 0)
  })

  for (const { key, title } of KINDS) {
    it(`refuses growth, ${title}, behind the warm-up`, () => {
      expect(growing(samplesOf(key, (second) => 1 + second / 200))).to.deep.equal([key])
      expect(growing(samplesOf(key, (second) => (second < 1700 ? 1 : 20))), 'a step, late').to.deep.equal([key])
      expect(growing(samplesOf(key, (second) => Math.min(10, 1 + second / 50)))).to.deep.equal([])
      expect(growing(samplesOf(key, (second) => 1 + (second % 5) / 10))).to.deep.equal([])
    })
  }

  it('sees a small leak of memory in the noise', () => {
    const noise = new Prng(seedFor('noise of the soak'))
    const leak = (share: number): Sample[] =>
      samplesOf('rss', (second) => 0.85 + noise.below(300) / 1000 + (share * second) / 1800)
    expect(growing(leak(0.03))).to.deep.equal([])
    expect(growing(leak(0.25))).to.deep.equal(['rss'])
  })
})
