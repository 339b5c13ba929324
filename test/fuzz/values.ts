/**
 * Arguments for random calls. An Arg is a recipe: its text can be printed and drawn again from a seed, its value is
 * made when the call is made, because files, mappings and buffers exist only then.
 */
import fc from 'fast-check'

/** What a thread of the fuzzer has in its hands; recipes pick from it. */
export interface World {
  /** Folder for pools, journals and whatever else a call may write. */
  readonly scratch: string
  /** Return: an object of a public class, open or not; undefined when there never was one. */
  pick(kind: ObjectKind, number: number): object | undefined
  /** Close, unmap or leave something while a call is under way: what a getter of an options object may do. */
  meddle(number: number): void
}

export const OBJECT_KINDS = ['Pmem', 'DaxFile', 'DaxMapping', 'StoreRecorder', 'Region', 'StoreLog'] as const
export type ObjectKind = (typeof OBJECT_KINDS)[number]

export interface Arg {
  readonly text: string
  value(world: World): unknown
}

export type Args = fc.Arbitrary<Arg[]>

/** Thrown by callbacks of the fuzzer; a call that lets it pass is right to do so. */
export class CallbackError extends Error {
  override readonly name = 'CallbackError'
}

export function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol' || typeof value === 'function') return value.toString().slice(0, 40)
  if (value instanceof Uint8Array) return `Uint8Array(${value.length})`
  if (typeof value === 'number' || value === undefined) return String(value)
  try {
    return JSON.stringify(value).slice(0, 80)
  } catch {
    return '{…}'
  }
}

export const literal = (value: unknown): Arg => ({ text: show(value), value: () => value })

export const made = (text: string, value: (world: World) => unknown): Arg => ({ text, value })

/** Any of these, as they are. */
export const oneOf = (...values: readonly unknown[]): fc.Arbitrary<Arg> => fc.constantFrom(...values.map(literal))

/** Values of every type and of every kind that is easily got wrong. */
export const junk: fc.Arbitrary<Arg> = fc.oneof(
  oneOf(undefined, null, true, false, '', 'x', '4096', '-1', '1e999GiB', '\0', 'a\0b', '../a', 'é'.repeat(3000)),
  oneOf(-1, -0, 0.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 5e-324),
  oneOf(
    0n,
    -1n,
    2n ** 64n,
    Symbol('fuzz'),
    [],
    [1, 2],
    {},
    { length: -1 },
    { faultline: 1 },
    new Date(0),
    /x/,
    new Map(),
  ),
  fc.constantFrom(
    made('Object.create(null)', () => Object.create(null) as object),
    made('() => { throw }', () => () => {
      throw new CallbackError('a callback of the fuzzer')
    }),
    made('function', () => () => undefined),
    made('class', () => CallbackError),
    made('new SharedArrayBuffer(0)', () => new SharedArrayBuffer(0)),
    made('Promise', () => Promise.resolve(1)),
    made('valueOf', () => ({ valueOf: () => 4096, toString: () => '4096' })),
  ),
  fc.integer().map(literal),
  fc.double().map(literal),
  fc.string({ maxLength: 8 }).map(literal),
)

/** Mostly what is asked for, now and then junk. */
export const mostly = (arbitrary: fc.Arbitrary<Arg>): fc.Arbitrary<Arg> =>
  fc.oneof({ weight: 12, arbitrary }, { weight: 1, arbitrary: junk })

/** The same, or left out. */
export const perhaps = (arbitrary: fc.Arbitrary<Arg>): fc.Arbitrary<Arg> =>
  fc.oneof({ weight: 3, arbitrary: mostly(arbitrary) }, { weight: 1, arbitrary: fc.constant(literal(undefined)) })

export const args = (...each: readonly fc.Arbitrary<Arg>[]): Args => fc.tuple(...each)

const PAGE = 4096

/** Bytes and places where something begins or ends. */
export const offset = mostly(
  fc.oneof(
    oneOf(0, 1, 63, 64, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 2 ** 21 - 1, 2 ** 21, 2 ** 21 + PAGE, 2 ** 22),
    fc.nat(64).map((page) => literal(page * PAGE)),
    fc.nat(2 ** 18).map(literal),
    oneOf(2 ** 34, 2 ** 44, 2 ** 52, Number.MAX_SAFE_INTEGER),
  ),
)

/** Small enough that making, filling and reading so much is done in no time. */
const smallLength = fc.oneof(
  oneOf(0, 1, 7, 64, 65, PAGE - 1, PAGE, PAGE + 1, 8 * PAGE),
  fc.nat(2 ** 16).map(literal),
  fc.nat(16).map((pages) => literal(pages * PAGE)),
)
export const length = mostly(
  fc.oneof({ weight: 8, arbitrary: smallLength }, { weight: 1, arbitrary: oneOf(2 ** 21, 2 ** 22, 2 ** 53 - 1) }),
)

/** Of files and mappings. */
export const size = mostly(
  fc.oneof(
    { weight: 6, arbitrary: smallLength },
    { weight: 3, arbitrary: oneOf(2 ** 20, 2 ** 21, 2 ** 21 + 1, 2 ** 22, '64KiB', '1MiB', ' 2 MiB') },
    { weight: 1, arbitrary: oneOf(2 ** 50, '9999999TiB', '1 parsec', 2 ** 53 - 1) },
  ),
)

export const bool = mostly(oneOf(true, false))
export const name = mostly(oneOf('a.pm', 'b.pm', 'c.pm', 'd.pm', 'ü', 'gone.pm'))
export const word = mostly(oneOf('insert', 'commit', 'x'.repeat(4096), 'é'))

/** An object of a class; rarely one of another. */
export const object = (kind: ObjectKind): fc.Arbitrary<Arg> =>
  mostly(fc.nat(63).map((number) => made(`${kind}#${number}`, (world) => world.pick(kind, number))))

const plain: fc.Arbitrary<Arg> = fc.oneof(
  fc.nat(3 * PAGE).map((bytes) => made(`Buffer(${bytes})`, () => Buffer.alloc(bytes, 7))),
  fc.constantFrom(
    made('SharedArrayBuffer(4096)', () => new SharedArrayBuffer(PAGE)),
    made('DataView(64)', () => new DataView(new ArrayBuffer(128), 64)),
    made('Float64Array(8)', () => new Float64Array(8)),
    made('a detached buffer', detached),
    made('a view of a detached buffer', () => detachedView()),
    made('a resizable buffer', () => new Uint8Array(resizable(16, 64))),
    made('a view that lies about its length', lyingView),
  ),
)

/** Memory that is no mapping: for calls that load from it as any JavaScript does, where a mapping may end in SIGBUS. */
export const plainMemory: fc.Arbitrary<Arg> = mostly(plain)

/** Memory to read from or to write to. */
export const memory: fc.Arbitrary<Arg> = mostly(
  fc.oneof(
    { weight: 2, arbitrary: plain },
    {
      weight: 1,
      arbitrary: fc
        .nat(63)
        .map((number) =>
          made(
            `DaxMapping#${number}.buffer`,
            (world) => (world.pick('DaxMapping', number) as { buffer?: ArrayBuffer } | undefined)?.buffer,
          ),
        ),
    },
  ),
)

/** ES2024, which is newer than the types here. */
function resizable(bytes: number, most: number): ArrayBuffer {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: most }]) as ArrayBuffer
}

function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(64)
  structuredClone(buffer, { transfer: [buffer] })
  return buffer
}

function detachedView(): Uint8Array {
  const view = new Uint8Array(64)
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

/** Own properties go before those of the prototype. */
function lyingView(world: World): Uint8Array {
  const view = new Uint8Array(64)
  Object.defineProperty(view, 'byteLength', {
    get: () => {
      world.meddle(0)
      return 2 ** 40
    },
  })
  return view
}

/**
 * An options object: some of the options there are, rarely one there is not or junk in place of all, and rarely an
 * object whose getters meddle with what the call is about.
 */
export function options(
  known: Readonly<Record<string, fc.Arbitrary<Arg>>>,
  required: readonly string[] = [],
): fc.Arbitrary<Arg> {
  const fields = Object.fromEntries(Object.entries(known).map(([key, arbitrary]) => [key, mostly(arbitrary)]))
  const record = fc.record(fields, { requiredKeys: [...required] })
  const plain = record.map((given) => object_(given as Record<string, Arg>, (_, key, value) => ({ key, value })))
  const meddling = fc.tuple(record, fc.nat(63)).map(([given, number]) => meddler(given as Record<string, Arg>, number))
  const misspelled = plain.map((arg) =>
    made(`${arg.text} and nonsense`, (world) => ({ ...(arg.value(world) as object), nonsense: 1 })),
  )
  return fc.oneof(
    { weight: 20, arbitrary: plain },
    { weight: 1, arbitrary: meddling },
    { weight: 1, arbitrary: misspelled },
    { weight: 1, arbitrary: junk },
  )
}

function object_(
  given: Record<string, Arg>,
  field: (world: World, key: string, value: unknown) => { key: string; value: unknown },
): Arg {
  const text = Object.entries(given).map(([key, arg]) => `${key}: ${arg.text}`)
  return made(`{ ${text.join(', ')} }`, (world) =>
    Object.fromEntries(
      Object.entries(given).map(([key, arg]) => {
        const made = field(world, key, arg.value(world))
        return [made.key, made.value]
      }),
    ),
  )
}

function meddler(given: Record<string, Arg>, number: number): Arg {
  const text = Object.entries(given).map(([key, arg]) => `get ${key}: ${arg.text}`)
  return made(`{ ${text.join(', ')} } that meddle(${number})`, (world) => {
    const target = {}
    for (const [key, arg] of Object.entries(given)) {
      const value = arg.value(world)
      const get = (): unknown => {
        world.meddle(number)
        return value
      }
      Object.defineProperty(target, key, { enumerable: true, get })
    }
    return target
  })
}
