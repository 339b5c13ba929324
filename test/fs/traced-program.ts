/**
 * A random program of stores, the same for the thread that runs it on traced memory and for the model that runs it on
 * plain memory. Each operation says which bytes it stores.
 */
import type { DaxFile, DaxMapping } from '../../lib/index.js'
import type { Prng } from '../../lib/prng.js'

export const SHARED_BYTES = 4096
/** Odd, so that threads share lines and pages at the borders of what is theirs. */
export const REGION_BYTES = 40_009
/** All of it, for typed arrays of any kind. */
export const bytesFor = (threads: number): number => Math.ceil((SHARED_BYTES + threads * REGION_BYTES) / 8) * 8
/** What DaxFile.read reads: byte i is this. */
export const sourceByte = (i: number): number => (i * 31 + (i >> 8)) & 255
export const SOURCE_BYTES = 8192

/** Memory the program stores to: traced, with the calls that store to it, or plain, with models of them. */
export interface Memory {
  readonly buffer: ArrayBuffer
  copy(offset: number, bytes: Uint8Array, nonTemporal: boolean): void
  fill(offset: number, length: number, value: number): void
  tryWrite(offset: number, bytes: Uint8Array): void
  write(offset: number, bytes: Uint8Array): void
  read(offset: number, length: number, position: number): void
}

export interface Operation {
  readonly name: string
  /** Bytes it stores, or may store when `within`. */
  readonly offset: number
  readonly length: number
  readonly within: boolean
  /** One store of all its bytes. */
  readonly single: boolean
  /** By write(2): stores of the file's own thread. */
  readonly byFile: boolean
  readonly nonTemporal: boolean
  run(memory: Memory): void
}

type Kind = (prng: Prng, at: number, room: number) => Partial<Operation> & Pick<Operation, 'run'>

const INTEGERS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
]
const BIGS = [BigInt64Array, BigUint64Array]
const ATOMIC = [Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array]
const ATOMIC_CALLS = ['store', 'add', 'sub', 'and', 'or', 'xor', 'exchange'] as const

function pick<Item>(prng: Prng, items: readonly Item[]): Item {
  return items[prng.below(items.length)] as Item
}

function bytesOf(prng: Prng, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, () => prng.below(256)))
}

function textOf(prng: Prng, length: number, alphabet: string): string {
  return Array.from({ length }, () => alphabet[prng.below(alphabet.length)]).join('')
}

/** Mostly what one instruction stores, now and then what memmove and rep move. */
function lengthOf(prng: Prng, room: number): number {
  return Math.min(room, 1 + (prng.chance(0.04) ? prng.below(9000) : prng.below(64)))
}

const up = (at: number, unit: number): number => Math.ceil(at / unit) * unit

const element: Kind = (prng, at) => {
  const type = pick(prng, INTEGERS)
  const size = type.BYTES_PER_ELEMENT
  const offset = up(at, size)
  const value = prng.chance(0.5) ? prng.below(256) : prng.below(2 ** 31) * (prng.chance(0.5) ? -1.5 : 1)
  return {
    name: type.name,
    offset,
    length: size,
    single: true,
    run: ({ buffer }) => (new type(buffer)[offset / size] = value),
  }
}

const bigElement: Kind = (prng, at) => {
  const type = pick(prng, BIGS)
  const offset = up(at, 8)
  const value = (BigInt(prng.below(2 ** 31)) << 32n) | BigInt(prng.below(2 ** 31))
  return {
    name: type.name,
    offset,
    length: 8,
    single: true,
    run: ({ buffer }) => (new type(buffer)[offset / 8] = value),
  }
}

const dataView: Kind = (prng, at) => {
  const little = prng.chance(0.5)
  const value = prng.below(2 ** 31)
  const call = pick(prng, ['Int8', 'Uint16', 'Int32', 'Float32', 'Float64', 'BigUint64'] as const)
  const length = { Int8: 1, Uint16: 2, Int32: 4, Float32: 4, Float64: 8, BigUint64: 8 }[call]
  return {
    name: `DataView.set${call}`,
    length,
    run({ buffer }) {
      const view = new DataView(buffer)
      if (call === 'BigUint64') view.setBigUint64(at, BigInt(value) << 17n, little)
      else view[`set${call}`](at, value, little)
    },
  }
}

const fill: Kind = (prng, at, room) => {
  const type = pick(prng, INTEGERS)
  const size = type.BYTES_PER_ELEMENT
  const offset = up(at, size)
  const count = Math.max(1, Math.floor(lengthOf(prng, room - size) / size))
  const value = prng.below(1000)
  return {
    name: `${type.name}.fill`,
    offset,
    length: count * size,
    run: ({ buffer }) => new type(buffer).fill(value, offset / size, offset / size + count),
  }
}

const copyWithin: Kind = (prng, at, room) => {
  const length = lengthOf(prng, Math.floor(room / 2))
  const source = prng.chance(0.5) ? at + 1 + prng.below(length) : at + length + prng.below(room - 2 * length + 1)
  return {
    name: 'copyWithin',
    length,
    run: ({ buffer }) => new Uint8Array(buffer).copyWithin(at, source, source + length),
  }
}

const set: Kind = (prng, at, room) => {
  const bytes = bytesOf(prng, lengthOf(prng, room))
  const source = prng.chance(0.3) ? [...bytes] : prng.chance(0.5) ? Float64Array.from(bytes) : bytes
  const length = bytes.length
  return {
    name: `set ${source.constructor.name}`,
    length,
    run: ({ buffer }) => {
      new Uint8Array(buffer).set(source, at)
    },
  }
}

const bufferCopy: Kind = (prng, at, room) => {
  const bytes = bytesOf(prng, lengthOf(prng, room))
  return { name: 'Buffer.copy', length: bytes.length, run: ({ buffer }) => bytes.copy(Buffer.from(buffer), at) }
}

const bufferWrite: Kind = (prng, at, room) => {
  const encoding = pick(prng, ['latin1', 'utf8', 'utf16le', 'hex', 'base64', 'ascii'] as const)
  const size = Math.min(64, Math.floor(room / 4))
  const alphabet = encoding === 'hex' ? '0123456789abcdef' : encoding === 'base64' ? 'ABCDabcd0123' : 'abc dé ü€'
  const text = textOf(prng, 4 * (1 + prng.below(Math.max(1, size >> 2))), alphabet)
  const length = Buffer.byteLength(text, encoding)
  return {
    name: `Buffer.write ${encoding}`,
    length,
    run: ({ buffer }) => Buffer.from(buffer).write(text, at, encoding),
  }
}

const bufferNumber: Kind = (prng, at) => {
  const value = prng.below(2 ** 15)
  const call = pick(prng, ['writeInt16BE', 'writeUInt32LE', 'writeDoubleBE', 'writeFloatLE', 'writeUInt8'] as const)
  const fits = call === 'writeUInt8' ? value & 255 : value
  const length = { writeInt16BE: 2, writeUInt32LE: 4, writeDoubleBE: 8, writeFloatLE: 4, writeUInt8: 1 }[call]
  return { name: `Buffer.${call}`, length, run: ({ buffer }) => Buffer.from(buffer)[call](fits, at) }
}

const swap: Kind = (prng, at, room) => {
  const call = pick(prng, ['swap16', 'swap32', 'swap64'] as const)
  const unit = { swap16: 2, swap32: 4, swap64: 8 }[call]
  const length = Math.max(1, Math.floor(lengthOf(prng, Math.min(room, 512) - unit) / unit)) * unit
  return { name: call, length, within: true, run: ({ buffer }) => Buffer.from(buffer, at, length)[call]() }
}

const reorder: Kind = (prng, at, room) => {
  const length = Math.min(room, 1 + prng.below(48))
  const call = pick(prng, ['reverse', 'sort'] as const)
  return { name: call, length, within: true, run: ({ buffer }) => new Uint8Array(buffer, at, length)[call]() }
}

const atomic: Kind = (prng, at) => {
  const type = pick(prng, ATOMIC)
  const size = type.BYTES_PER_ELEMENT
  const offset = up(at, size)
  const call = pick(prng, ATOMIC_CALLS)
  const value = prng.below(2 ** 30)
  return {
    name: `Atomics.${call} ${type.name}`,
    offset,
    length: size,
    single: true,
    run: ({ buffer }) => Atomics[call](new type(buffer), offset / size, value),
  }
}

const atomicBig: Kind = (prng, at) => {
  const offset = up(at, 8)
  const call = pick(prng, ATOMIC_CALLS)
  const value = BigInt(prng.below(2 ** 30)) << 21n
  return {
    name: `Atomics.${call} BigInt64Array`,
    offset,
    length: 8,
    single: true,
    run: ({ buffer }) => Atomics[call](new BigInt64Array(buffer), offset / 8, value),
  }
}

const compareExchange: Kind = (prng, at) => {
  const offset = up(at, 4)
  const hits = prng.chance(0.6)
  const value = prng.below(2 ** 30)
  return {
    name: `compareExchange that ${hits ? 'stores' : 'fails'}`,
    offset,
    length: hits ? 4 : 0,
    single: hits,
    run({ buffer }) {
      const words = new Int32Array(buffer)
      const seen = words[offset / 4] as number
      Atomics.compareExchange(words, offset / 4, hits ? seen : ~seen, value)
    },
  }
}

const encodeInto: Kind = (prng, at, room) => {
  const text = textOf(prng, 1 + prng.below(Math.min(60, room >> 2)), 'abcdefü€')
  const length = Buffer.byteLength(text)
  return {
    name: 'encodeInto',
    length,
    run: ({ buffer }) => new TextEncoder().encodeInto(text, new Uint8Array(buffer, at, length)),
  }
}

const callCopy: Kind = (prng, at, room) => {
  const bytes = bytesOf(prng, lengthOf(prng, room))
  const nonTemporal = prng.chance(0.5)
  return { name: 'copy', length: bytes.length, nonTemporal, run: (memory) => memory.copy(at, bytes, nonTemporal) }
}

const callFill: Kind = (prng, at, room) => {
  const length = lengthOf(prng, room)
  const value = prng.below(256)
  return { name: 'fill', length, run: (memory) => memory.fill(at, length, value) }
}

const tryWrite: Kind = (prng, at, room) => {
  const bytes = bytesOf(prng, lengthOf(prng, room))
  return { name: 'tryWrite', length: bytes.length, run: (memory) => memory.tryWrite(at, bytes) }
}

const write: Kind = (prng, at, room) => {
  const bytes = bytesOf(prng, lengthOf(prng, room))
  const { length } = bytes
  return { name: 'write', length, byFile: true, nonTemporal: true, run: (memory) => memory.write(at, bytes) }
}

const read: Kind = (prng, at, room) => {
  const length = Math.min(lengthOf(prng, room), SOURCE_BYTES)
  const position = prng.below(SOURCE_BYTES - length + 1)
  return { name: 'read', length, run: (memory) => memory.read(at, length, position) }
}

/** Often what is cheap and common, seldom what is not. */
const KINDS: readonly (readonly [weight: number, kind: Kind])[] = [
  [30, element],
  [10, bigElement],
  [20, dataView],
  [8, fill],
  [8, copyWithin],
  [8, set],
  [4, bufferCopy],
  [6, bufferWrite],
  [6, bufferNumber],
  [1, swap],
  [1, reorder],
  [12, atomic],
  [6, atomicBig],
  [4, compareExchange],
  [3, encodeInto],
  [2, callCopy],
  [1, callFill],
  [1, tryWrite],
  [0.5, write],
  [0.5, read],
]
const WEIGHT = KINDS.reduce((sum, [weight]) => sum + weight, 0)

/** The next operation of a thread, somewhere in its region. */
export function nextOperation(prng: Prng, thread: number): Operation {
  let draw = (prng.below(2 ** 20) / 2 ** 20) * WEIGHT
  const kind = KINDS.find(([weight]) => (draw -= weight) < 0)?.[1] ?? element
  const start = SHARED_BYTES + thread * REGION_BYTES
  const from = prng.below(REGION_BYTES - 600)
  const room = REGION_BYTES - from - 16
  const given = kind(prng, start + from, room)
  return {
    name: kind.name,
    offset: start + from,
    length: 0,
    within: false,
    single: false,
    byFile: false,
    nonTemporal: false,
    ...given,
  }
}

export function tracedMemory(map: DaxMapping, file: DaxFile, source: DaxFile): Memory {
  return {
    buffer: map.buffer,
    copy: (offset, bytes, nonTemporal) => map.copy(offset, bytes, { nonTemporal, drain: bytes.length % 2 === 0 }),
    fill: (offset, length, value) => map.fill(offset, length, value),
    tryWrite: (offset, bytes) => map.tryWrite(offset, bytes),
    write: (offset, bytes) => void file.write(bytes, offset),
    read: (offset, length, position) => void source.read(new Uint8Array(map.buffer, offset, length), position),
  }
}

export function plainMemory(buffer: ArrayBuffer): Memory {
  const bytes = new Uint8Array(buffer)
  const put = (offset: number, source: Uint8Array): void => bytes.set(source, offset)
  return {
    buffer,
    copy: put,
    fill: (offset, length, value) => void bytes.fill(value, offset, offset + length),
    tryWrite: put,
    write: put,
    read: (offset, length, position) =>
      put(
        offset,
        Uint8Array.from({ length }, (_, i) => sourceByte(position + i)),
      ),
  }
}
