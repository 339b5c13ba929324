import { expect } from 'chai'
import { BugError } from '../../lib/assert.js'
import { Prng } from '../../lib/prng.js'

const draw = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.next())

describe('prng', () => {
  it('gives the outputs of the reference implementation', () => {
    // The authors' C code started from the state 1, 2, 3, 4.
    expect(draw(Prng.fromState(1, 2, 3, 4), 12)).to.deep.equal([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804, 337829053,
      2142557243,
    ])
  })

  it('gives the same outputs for a seed for ever', () => {
    expect(draw(new Prng(0), 4)).to.deep.equal([3809008728, 1133695204, 53579671, 2891528803])
    expect(draw(new Prng(1), 4)).to.deep.equal([2442144158, 3238099751, 3819917871, 2104621829])
    expect(draw(new Prng(42), 4)).to.deep.equal([2837322924, 544945897, 479756282, 3500138142])
    expect(draw(new Prng(2 ** 32), 4)).to.deep.equal([2639375342, 3274559122, 3467335147, 824295497])
    expect(draw(new Prng(-1), 4)).to.deep.equal([3088639192, 222446744, 3691120491, 3072105367])
  })

  it('refuses a seed that is not a safe integer, and the state that never changes', () => {
    for (const seed of [0.5, NaN, Infinity, 2 ** 53]) expect(() => new Prng(seed), String(seed)).to.throw(BugError)
    expect(() => Prng.fromState(0, 0, 0, 0)).to.throw(BugError)
  })

  it('draws below a bound, evenly', () => {
    const prng = new Prng(7)
    const seen = new Array<number>(6).fill(0)
    for (let i = 0; i < 60_000; i++) {
      const value = prng.below(6)
      seen[value] = (seen[value] ?? 0) + 1
    }
    // Six standard deviations of a binomial of 60,000 at 1/6.
    for (const count of seen) expect(count).to.be.within(10_000 - 550, 10_000 + 550)
    expect(prng.below(1)).to.equal(0)
    expect(prng.below(2 ** 32)).to.be.within(0, 2 ** 32 - 1)
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => prng.below(bound), String(bound)).to.throw(BugError)
  })

  it('draws again in the uneven tail of a large bound', () => {
    const prng = new Prng(3)
    // Words at or above this bound, a quarter of all, are drawn again.
    for (let i = 0; i < 1000; i++) expect(prng.below(3 * 2 ** 30)).to.be.below(3 * 2 ** 30)
  })

  it('takes chances', () => {
    const prng = new Prng(9)
    const hits = Array.from({ length: 10_000 }, () => prng.chance(0.25)).filter(Boolean).length
    expect(hits).to.be.within(2500 - 260, 2500 + 260)
    expect(prng.chance(0)).to.equal(false)
    expect(prng.chance(1)).to.equal(true)
  })

  it('shuffles in place, keeping every item', () => {
    const items = Array.from({ length: 100 }, (_, i) => i)
    const shuffled = new Prng(5).shuffle(items)
    expect(shuffled).to.equal(items)
    expect(shuffled).to.not.deep.equal([...items].sort((a, b) => a - b))
    expect([...shuffled].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 100 }, (_, i) => i))
    expect(new Prng(5).shuffle([])).to.deep.equal([])
  })
})
