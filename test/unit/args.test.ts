import { expect } from 'chai'
import {
  describeValue,
  requireAligned,
  requireBoolean,
  requireBuffer,
  requireFunction,
  requireInteger,
  requireNumber,
  requireOneOf,
  requireOptions,
  requireRange,
  requireSize,
  requireString,
} from '../../lib/args.js'

/** Runs a check that must refuse, and compares both the type of the error and its whole message. */
function refuses(check: () => unknown, type: typeof TypeError | typeof RangeError, message: string): void {
  let caught: unknown
  try {
    check()
  } catch (error) {
    caught = error
  }
  expect(caught).to.be.instanceOf(type)
  expect((caught as Error).message).to.equal(message)
}

describe('args', () => {
  describe('numbers', () => {
    it('accepts integers of a double', () => {
      for (const value of [0, -1, Number.MAX_SAFE_INTEGER]) expect(requireInteger('n', value)).to.equal(value)
    })

    it('refuses other types and other numbers', () => {
      refuses(() => requireInteger('offset', '4'), TypeError, "offset must be an integer but received '4'")
      refuses(() => requireInteger('offset', 4n), TypeError, 'offset must be an integer but received 4n')
      refuses(() => requireInteger('offset', undefined), TypeError, 'offset must be an integer but received undefined')
      refuses(() => requireInteger('offset', 0.5), RangeError, 'offset must be an integer but received 0.5')
      refuses(() => requireInteger('offset', NaN), RangeError, 'offset must be an integer but received NaN')
      refuses(
        () => requireInteger('offset', 2 ** 53),
        RangeError,
        'offset must be an integer but received 9007199254740992',
      )
    })

    it('includes both ends of a range', () => {
      expect(requireRange('n', 1, 1, 3)).to.equal(1)
      expect(requireRange('n', 3, 1, 3)).to.equal(3)
      refuses(() => requireRange('n', 0, 1, 3), RangeError, 'n must be between 1 and 3 but received 0')
      refuses(() => requireRange('n', 4, 1, 3, 'pages'), RangeError, 'n must be between 1 and 3 pages but received 4')
      refuses(() => requireRange('n', 4, 3, 3), RangeError, 'n must be 3 but received 4')
      refuses(
        () => requireRange('length', -1, 0, Number.MAX_SAFE_INTEGER, 'bytes'),
        RangeError,
        'length must be at least 0 bytes but received -1',
      )
    })

    it('names the unit of alignment', () => {
      expect(requireAligned('offset', 8192, 4096, 'the page size')).to.equal(8192)
      refuses(
        () => requireAligned('offset', 4100, 4096, 'the page size'),
        RangeError,
        'offset must be a multiple of the page size (4096) but received 4100',
      )
      refuses(
        () => requireAligned('offset', -4096, 4096, 'x'),
        RangeError,
        'offset must be at least 0 but received -4096',
      )
    })

    it('accepts fractions where they make sense', () => {
      expect(requireNumber('probability', 0.25, 0, 1)).to.equal(0.25)
      refuses(() => requireNumber('p', 2, 0, 1), RangeError, 'p must be between 0 and 1 but received 2')
      refuses(() => requireNumber('p', Infinity), RangeError, 'p must be a finite number but received Infinity')
      refuses(() => requireNumber('p', null), TypeError, 'p must be a number but received null')
    })
  })

  describe('words', () => {
    it('accepts strings a path may be', () => {
      expect(requireString('path', 'a.pm')).to.equal('a.pm')
      refuses(() => requireString('path', ''), RangeError, "path must be a non-empty string but received ''")
      refuses(() => requireString('path', 5), TypeError, 'path must be a string but received 5')
      expect(() => requireString('path', 'a\0b')).to.throw(RangeError, 'without NUL')
    })

    it('accepts booleans only', () => {
      expect(requireBoolean('sync', false)).to.equal(false)
      refuses(() => requireBoolean('sync', 1), TypeError, 'sync must be true or false but received 1')
    })

    it('lists the words allowed, and guesses', () => {
      const words = ['none', 'all', 'random'] as const
      expect(requireOneOf('survive', 'all', words)).to.equal('all')
      refuses(
        () => requireOneOf('survive', 'Random', words),
        RangeError,
        "survive must be one of 'none', 'all', 'random' but received 'Random' (did you mean 'random'?)",
      )
      refuses(
        () => requireOneOf('survive', true, words),
        TypeError,
        "survive must be one of 'none', 'all', 'random' but received true",
      )
    })
  })

  describe('options', () => {
    interface Options {
      create?: boolean
      readOnly?: boolean
    }
    const known = ['create', 'readOnly'] as const

    it('may be left out', () => {
      expect(requireOptions<Options>('options', undefined, known)).to.deep.equal({})
      const given: Options = { create: true }
      expect(requireOptions('options', given, known)).to.equal(given)
    })

    it('have no unknown names', () => {
      refuses(
        () => requireOptions<Options>('options', { readonly: true } as Options, known),
        TypeError,
        "options must have only the options create, readOnly but received 'readonly' (did you mean 'readOnly'?)",
      )
      refuses(
        () => requireOptions<Options>('options', { colour: 1 } as Options, known),
        TypeError,
        "options must have only the options create, readOnly but received 'colour'",
      )
    })

    it('are an object', () => {
      for (const [value, shown] of [
        [null, 'null'],
        [[], 'an array of 0'],
        [5, '5'],
        ['x', "'x'"],
      ] as const) {
        refuses(
          () => requireOptions('options', value as unknown as Options, known),
          TypeError,
          `options must be an object but received ${shown}`,
        )
      }
    })
  })

  describe('sizes', () => {
    it('reads bytes and binary units', () => {
      for (const [text, bytes] of [
        [4096, 4096],
        ['4096', 4096],
        ['64MiB', 64 * 2 ** 20],
        ['64 mib', 64 * 2 ** 20],
        ['1.5KiB', 1536],
        ['1GiB', 2 ** 30],
        ['2TiB', 2 ** 41],
        ['12B', 12],
      ] as const) {
        expect(requireSize('capacity', text), String(text)).to.equal(bytes)
      }
    })

    it('refuses what is not a whole number of bytes', () => {
      const expected = "capacity must be a number of bytes or a size such as '64MiB' but received"
      for (const text of ['', '64MB', 'MiB', '-1MiB', '1.3B', '1e3', '9999999TiB', '64MiB!']) {
        refuses(() => requireSize('capacity', text), RangeError, `${expected} '${text}'`)
      }
      refuses(() => requireSize('capacity', true), TypeError, `${expected} true`)
      expect(() => requireSize('capacity', -1)).to.throw(RangeError, 'at least 0 bytes')
    })
  })

  describe('memory and functions', () => {
    it('sees the bytes of any view', () => {
      const words = new Uint32Array([1, 2, 3, 4])
      const bytes = requireBuffer('data', words.subarray(1, 3))
      expect([bytes.byteOffset, bytes.byteLength]).to.deep.equal([4, 8])
      expect(bytes.buffer).to.equal(words.buffer)
      expect(requireBuffer('data', new DataView(words.buffer, 8)).byteLength).to.equal(8)
      expect(requireBuffer('data', words.buffer).byteLength).to.equal(16)
      expect(requireBuffer('data', new SharedArrayBuffer(8)).byteLength).to.equal(8)
      const expected = 'data must be a Buffer, typed array, DataView or ArrayBuffer but received'
      refuses(() => requireBuffer('data', 'abc'), TypeError, `${expected} 'abc'`)
      refuses(() => requireBuffer('data', [1]), TypeError, `${expected} an array of 1`)
    })

    it('accepts callables', () => {
      expect(requireFunction('check', refuses)).to.equal(refuses)
      refuses(() => requireFunction('check', {}), TypeError, 'check must be a function but received an object')
    })
  })

  it('describes values shortly', () => {
    expect(describeValue('x'.repeat(100))).to.equal(`'${'x'.repeat(40)}…'`)
    expect(describeValue(refuses)).to.equal('function refuses')
    expect(describeValue(() => undefined)).to.equal('a function')
    expect(describeValue(new Map())).to.equal('an instance of Map')
    expect(describeValue(Object.create(null))).to.equal('an object')
    expect(describeValue(Symbol('s'))).to.equal('Symbol(s)')
  })
})
