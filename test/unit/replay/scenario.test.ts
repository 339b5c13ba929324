import { expect } from 'chai'
import { MAP_WORDS, MSYNC_WORDS, bitsOf } from '../../../lib/replay/flag-words.js'
import { ScenarioError, parseScenarios } from '../../../lib/replay/scenario.js'

function parseOps(...ops: unknown[]): ReturnType<typeof parseScenarios> {
  return parseScenarios(JSON.stringify([{ name: 's', ops }]))
}

describe('replay/scenario', () => {
  it('reads numbers, hexadecimal ones in strings too', () => {
    const [scenario] = parseOps(
      { op: 'ftruncate', fd: 'f', len: '0x10000000000' },
      { op: 'ftruncate', fd: 'f', len: -1 },
    )
    expect(scenario?.ops.map(({ numbers }) => numbers['len'])).to.deep.equal([2 ** 40, -1])
  })

  it('keeps the arguments as they were given, for the record', () => {
    const [scenario] = parseOps({ op: 'ftruncate', fd: 'f', len: '0x1000' })
    expect(scenario?.ops[0]?.args).to.deep.equal({ fd: 'f', len: '0x1000' })
  })

  const wrong: [string, string, RegExp][] = [
    ['no JSON', '[{', /not JSON/],
    ['no array', '{}', /array of scenarios/],
    ['a scenario that is none', '[1]', /scenario 0: expected an object/],
    ['no name', '[{"ops":[]}]', /expected a name/],
    ['two of a name', '[{"name":"s","ops":[]},{"name":"s","ops":[]}]', /two scenarios/],
    ['no operations', '[{"name":"s"}]', /array 'ops'/],
  ]
  for (const [what, text, message] of wrong) {
    it(`turns down ${what}`, () => {
      expect(() => parseScenarios(text)).to.throw(ScenarioError, message)
    })
  }

  const wrongOps: [string, unknown, RegExp][] = [
    ['an unknown operation', { op: 'format' }, /s #0: unknown operation "format"/],
    ['what only an object has', { op: 'toString' }, /unknown operation/],
    ['an unknown field', { op: 'sync', fd: 'f' }, /has no field 'fd'/],
    ['what only an object has as a field', { op: 'sync', constructor: 1 }, /has no field 'constructor'/],
    ['a missing field', { op: 'close' }, /close needs 'fd'/],
    ['a number where a name belongs', { op: 'close', fd: 1 }, /expected a string/],
    ['a fraction', { op: 'ftruncate', fd: 'f', len: 1.5 }, /whole number/],
    ['a word where a number belongs', { op: 'ftruncate', fd: 'f', len: 'many' }, /whole number/],
    ['a byte of 256', { op: 'pwrite', fd: 'f', off: 0, len: 1, fill: 256 }, /a byte/],
    ['odd hexadecimal digits', { op: 'pwrite', fd: 'f', off: 0, hex: 'abc' }, /pairs of hexadecimal/],
    ['a negative length of an access', { op: 'load', map: 'm', off: 0, len: -1 }, /no negative number/],
    ['a step of 0', { op: 'load', map: 'm', off: 0, len: 1, step: 0 }, /step/],
    ['a path out of the pool', { op: 'open', fd: 'f', path: '../x' }, /file name/],
    ['a hidden file', { op: 'unlink', path: '.faultline' }, /file name/],
  ]
  for (const [what, op, message] of wrongOps) {
    it(`turns down ${what}`, () => {
      expect(() => parseOps(op)).to.throw(ScenarioError, message)
    })
  }

  it('joins words to bits', () => {
    expect(bitsOf('validate+sync', MAP_WORDS, 'flags')).to.equal(0x80003)
    expect(bitsOf('0', MSYNC_WORDS, 'flags')).to.equal(0)
    expect(bitsOf('sync+raw:8', MSYNC_WORDS, 'flags')).to.equal(12)
    expect(() => bitsOf('sink', MSYNC_WORDS, 'flags')).to.throw(ScenarioError, /'sink'/)
    expect(() => bitsOf('valueOf', MSYNC_WORDS, 'flags')).to.throw(ScenarioError)
  })
})
