/** The syntax of sweeps, and what a few measurements are boiled down to. */
import { expect } from 'chai'
import fc from 'fast-check'
import { byTurns } from '../../../lib/bench/run-program.js'
import { median, percentile, summarise } from '../../../lib/bench/statistics.js'
import { type Parameter, parseSweep, parseValues, settingsOf } from '../../../lib/bench/sweep.js'

const THREADS: Parameter = { name: 'threads', help: '', default: '1:*2:8', max: 64 }
const DESIGN: Parameter = { name: 'locking', help: '', default: 'a,b', words: ['a', 'b', 'c'] }
const FROM_0: Parameter = { name: 'latency', help: '', default: '0', min: 0 }

describe('bench sweep', () => {
  it('is a value, a list, a product range, a sum range, or words', () => {
    expect(parseValues(THREADS, '4')).to.deep.equal([4])
    expect(parseValues(THREADS, '1,2,6,2')).to.deep.equal([1, 2, 6])
    expect(parseValues(THREADS, '1:*2:8')).to.deep.equal([1, 2, 4, 8])
    expect(parseValues(THREADS, '1:*2:9'), 'the end need not be met').to.deep.equal([1, 2, 4, 8])
    expect(parseValues(THREADS, '3:*10:30,5:+5:15')).to.deep.equal([3, 30, 5, 10, 15])
    expect(parseValues(FROM_0, '0:+10:30')).to.deep.equal([0, 10, 20, 30])
    expect(parseValues(DESIGN, 'c,a')).to.deep.equal(['c', 'a'])
  })

  it('of any product range: begins at its beginning, ends before its end, multiplies in between', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 2, max: 9 }), fc.nat(63), (first, step, more) => {
        const last = Math.min(64, first + more)
        const values = parseValues(THREADS, `${first}:*${step}:${last}`) as number[]
        const next = (values.at(-1) as number) * step
        return values[0] === first && next > last && values.every((v, i) => v === first * step ** i && v <= last)
      }),
    )
  })

  it('says what is wrong with it', () => {
    const wrong: [Parameter, string, RegExp][] = [
      [THREADS, '', /whole number from 1 to 64/],
      [THREADS, '0', /from 1 to 64/],
      [THREADS, '65', /from 1 to 64/],
      [THREADS, '1.5', /not '1.5'/],
      [THREADS, '8:*2:1', /ends before it begins/],
      [THREADS, '1:*1:8', /does not get on/],
      [THREADS, '1:+0:8', /does not get on/],
      [FROM_0, '0:*2:8', /does not get on/],
      [FROM_0, '0:+1:1000', /at most 64 values/],
      [FROM_0, '1:2:3', /not '1:2:3'/],
      [DESIGN, 'd', /one of a, b, c/],
    ]
    for (const [parameter, text, message] of wrong) {
      expect(() => parseValues(parameter, text), text).to.throw(RangeError, message)
    }
    const parameters = [THREADS, DESIGN]
    expect(() => parseSweep(parameters, ['nodes=3'])).to.throw(RangeError, "no parameter 'nodes': there are threads")
    expect(() => parseSweep(parameters, ['threads'])).to.throw(RangeError, 'NAME=VALUES')
    expect(() => parseSweep(parameters, ['threads=1', 'threads=2'])).to.throw(RangeError, 'given twice')
  })

  it('over several parameters is every combination, the last one fastest', () => {
    const sweep = parseSweep([THREADS, DESIGN], ['threads=1,2'])
    expect(settingsOf(sweep)).to.deep.equal([
      { threads: 1, locking: 'a' },
      { threads: 1, locking: 'b' },
      { threads: 2, locking: 'a' },
      { threads: 2, locking: 'b' },
    ])
  })
})

describe('bench statistics', () => {
  it('are the median, the extremes, and percentiles by nearest rank', () => {
    expect(median([3, 1, 2])).to.equal(2)
    expect(median([4, 1, 2, 3])).to.equal(2.5)
    expect(summarise([5, 1, 3])).to.deep.include({ median: 3, min: 1, max: 5 })
    expect(() => median([])).to.throw(RangeError)
    const values = Array.from({ length: 200 }, (_, i) => i + 1)
    expect([0, 0.5, 0.99, 1].map((share) => percentile(values, share))).to.deep.equal([1, 100, 198, 200])
    expect(percentile([7], 0.99)).to.equal(7)
    expect(() => percentile([], 0.5)).to.throw(RangeError)
  })

  it('are of rounds in which the sides take turns, each round the other way round', async () => {
    const order: string[] = []
    const results = await byTurns(3, 2, (side, round) => {
      order.push(`${side}${round}`)
      return Promise.resolve(side * 10 + round)
    })
    expect(order).to.deep.equal(['00', '10', '20', '21', '11', '01'])
    expect(results).to.deep.equal([
      [0, 1],
      [10, 11],
      [20, 21],
    ])
  })
})
