/**
 * Argument checks of the public surface. Misuse is a TypeError (wrong type) or a RangeError (wrong value), and every
 * message has three parts: what it is about, what was expected, what came.
 *
 *   offset must be a multiple of the page size (4096) but received 4100
 *
 * All take the value as `unknown`, because JavaScript callers have no types, and return it typed.
 */

const QUOTED_MAX = 40

/** Return: the error for a value of the wrong type. expected: "a string", "one of 'a', 'b'". */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${expected} but received ${describeValue(value)}`)
}

/** Return: the error for a value outside its range. */
export function wrongRange(name: string, expected: string, value: unknown): RangeError {
  return new RangeError(`${name} must be ${expected} but received ${describeValue(value)}`)
}

/** An integer that a double holds exactly, of either sign. */
export function requireInteger(name: string, value: unknown): number {
  if (typeof value !== 'number') throw wrongType(name, 'an integer', value)
  if (!Number.isSafeInteger(value)) throw wrongRange(name, 'an integer', value)
  return value
}

/** An integer in min .. max, both included; unit is for the message ("bytes", "pages"). */
export function requireRange(name: string, value: unknown, min: number, max: number, unit = ''): number {
  const integer = requireInteger(name, value)
  if (integer >= min && integer <= max) return integer
  const suffix = unit === '' ? '' : ` ${unit}`
  if (max === Number.MAX_SAFE_INTEGER) throw wrongRange(name, `at least ${min}${suffix}`, value)
  throw wrongRange(name, min === max ? `${min}${suffix}` : `between ${min} and ${max}${suffix}`, value)
}

/** A natural number divisible by `unit`; unitName: "the page size". */
export function requireAligned(name: string, value: unknown, unit: number, unitName: string): number {
  const integer = requireRange(name, value, 0, Number.MAX_SAFE_INTEGER)
  if (integer % unit !== 0) throw wrongRange(name, `a multiple of ${unitName} (${unit})`, value)
  return integer
}

/** A finite number in min .. max, whole or not. */
export function requireNumber(name: string, value: unknown, min = -Infinity, max = Infinity): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value)
  if (!Number.isFinite(value)) throw wrongRange(name, 'a finite number', value)
  if (value < min || value > max) throw wrongRange(name, `between ${min} and ${max}`, value)
  return value
}

export function requireBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value)
  return value
}

/** A string that is not empty and, as no path may, holds no NUL. */
export function requireString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (value === '') throw wrongRange(name, 'a non-empty string', value)
  if (value.includes('\0')) throw wrongRange(name, 'a string without NUL characters', value)
  return value
}

/** One of a few words. */
export function requireOneOf<Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === value)
  if (word !== undefined) return word
  const list = words.map((candidate) => `'${candidate}'`).join(', ')
  const hint = typeof value === 'string' ? didYouMean(value, words) : ''
  const message = `${name} must be one of ${list} but received ${describeValue(value)}${hint}`
  throw typeof value === 'string' ? new RangeError(message) : new TypeError(message)
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- any callable: the caller knows its shape
export function requireFunction(name: string, value: unknown): Function {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value)
  return value
}

/**
 * Memory to read from or to write into: any ArrayBuffer view, ArrayBuffer or SharedArrayBuffer. A view may have
 * properties of its own in place of its prototype's: they are believed as far as they lie inside its buffer.
 * Return: the same bytes as a Uint8Array.
 */
export function requireBuffer(name: string, value: unknown): Uint8Array {
  const isView = ArrayBuffer.isView(value)
  if (!isView && !(value instanceof ArrayBuffer) && !(value instanceof SharedArrayBuffer)) {
    throw wrongType(name, 'a Buffer, typed array, DataView or ArrayBuffer', value)
  }
  try {
    return isView ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error
    throw wrongType(name, 'memory that is not detached', value)
  }
}

/**
 * An options object: plain, or left out. An option that does not exist is an error, because a misspelled `sync: true`
 * that is silently ignored loses data. undefined is left out, null is an error. The values themselves are for the other
 * checks.
 * Return: the object, or an empty one.
 */
export function requireOptions<Options extends object>(
  name: string,
  value: Options | undefined,
  known: readonly (keyof Options & string)[],
): Partial<Options> {
  if (value === undefined) return {}
  const given: unknown = value
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(name, 'an object', given)
  for (const [option, setting] of Object.entries(given)) {
    if (setting === null) throw wrongType(option, 'left out or have a value', setting)
    if ((known as readonly string[]).includes(option)) continue
    const hint = didYouMean(option, known)
    throw new TypeError(`${name} must have only the options ${known.join(', ')} but received '${option}'${hint}`)
  }
  return value
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/**
 * A size: a number of bytes, or text such as '64MiB' (B, KiB, MiB, GiB, TiB; powers of 1024, any case).
 * Return: bytes, a natural number.
 */
export function requireSize(name: string, value: unknown): number {
  if (typeof value === 'number') return requireRange(name, value, 0, Number.MAX_SAFE_INTEGER, 'bytes')
  const expected = "a number of bytes or a size such as '64MiB'"
  if (typeof value !== 'string') throw wrongType(name, expected, value)
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(value.trim()) ?? []
  const scale = Object.entries(SIZE_UNITS).find(([known]) => known.toLowerCase() === unit?.toLowerCase())?.[1]
  const bytes = Number(digits) * (scale ?? NaN)
  if (!Number.isSafeInteger(bytes)) throw wrongRange(name, expected, value)
  return bytes
}

/** Return: a value as an error message shows it: short, and with its type when the type is the surprise. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    return `'${value.length > QUOTED_MAX ? `${value.slice(0, QUOTED_MAX)}…` : value}'`
  }
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return value.name === '' ? 'a function' : `function ${value.name}`
  if (typeof value === 'symbol') return value.toString()
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const prototype: unknown = Object.getPrototypeOf(value)
  const maker: unknown = (prototype as { constructor?: unknown } | null)?.constructor
  return typeof maker === 'function' && maker !== Object ? `an instance of ${maker.name}` : 'an object'
}

/** Return: " (did you mean 'x'?)" for the closest known word, when one is close; else ''. */
function didYouMean(word: string, known: readonly string[]): string {
  const lower = word.toLowerCase()
  let best = ''
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best === '' ? '' : ` (did you mean '${best}'?)`
}

/** Levenshtein's distance, one row at a time. Words are option names: short. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
