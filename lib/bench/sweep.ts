/**
 * Parameters of a benchmark and the values they take, written as PMDK's pmembench writes them.
 *
 *   threads=4            one value
 *   threads=1,2,6        a list
 *   threads=1:*2:8       from 1, times 2, to 8: 1 2 4 8
 *   pages=0:+10:30       from 0, plus 10, to 30: 0 10 20 30
 *   locking=entry,range  words, of those the parameter knows
 */
export interface Parameter {
  readonly name: string
  readonly help: string
  /** In the syntax above. */
  readonly default: string
  /** Words it may be; a parameter without them is a whole number from `min` (1) to `max`. */
  readonly words?: readonly string[]
  readonly min?: number
  readonly max?: number
}

export type Value = number | string
/** A value for each parameter. */
export type Setting = Readonly<Record<string, Value>>
/** Values for each parameter. */
export type Sweep = ReadonlyMap<string, readonly Value[]>

/** More is a slip of the pen. */
const VALUES_MAX = 64

/** Errors: RangeError saying what was expected. */
export function parseValues(parameter: Parameter, text: string): readonly Value[] {
  const values = text.split(',').flatMap((part) => parsePart(parameter, part))
  if (values.length > VALUES_MAX) throw new RangeError(`${parameter.name}: at most ${VALUES_MAX} values`)
  return [...new Set(values)]
}

function parsePart(parameter: Parameter, part: string): Value[] {
  const { name, words } = parameter
  if (words !== undefined) {
    if (words.includes(part)) return [part]
    throw new RangeError(`${name} is one of ${words.join(', ')}, or several with commas, not '${part}'`)
  }
  const range = /^(\d+):([*+])(\d+):(\d+)$/.exec(part)
  if (range === null) return [parseNumber(parameter, part)]
  const [, from = '', operator = '', step = '', to = ''] = range
  const [first, last] = [parseNumber(parameter, from), parseNumber(parameter, to)]
  if (last < first) throw new RangeError(`${name}: the range ${part} ends before it begins`)
  if (Number(step) < (operator === '*' ? 2 : 1) || (operator === '*' && first === 0)) {
    throw new RangeError(`${name}: the range ${part} does not get on`)
  }
  const values: number[] = []
  for (let value = first; value <= last; value = operator === '*' ? value * Number(step) : value + Number(step)) {
    values.push(value)
    if (values.length > VALUES_MAX) break
  }
  return values
}

function parseNumber({ name, min = 1, max = Number.MAX_SAFE_INTEGER }: Parameter, text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (value >= min && value <= max) return value
  const limit = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  throw new RangeError(`${name} is a whole number ${limit}, a list 1,2,4 or a range 1:*2:8, not '${text}'`)
}

/**
 * given: 'name=values' each; the rest are the defaults. Return: values by parameter, in the parameters' order.
 * Errors: RangeError for an unknown or repeated name, or what parseValues says.
 */
export function parseSweep(parameters: readonly Parameter[], given: readonly string[]): Sweep {
  const texts = new Map<string, string>()
  for (const text of given) {
    const [, name, values] = /^([a-zA-Z]+)=(.+)$/.exec(text) ?? []
    if (name === undefined || values === undefined) throw new RangeError(`expected NAME=VALUES, not '${text}'`)
    if (!parameters.some((parameter) => parameter.name === name)) {
      throw new RangeError(`no parameter '${name}': there are ${parameters.map((each) => each.name).join(', ')}`)
    }
    if (texts.has(name)) throw new RangeError(`${name} is given twice`)
    texts.set(name, values)
  }
  return new Map(
    parameters.map((parameter) => [
      parameter.name,
      parseValues(parameter, texts.get(parameter.name) ?? parameter.default),
    ]),
  )
}

/** Every combination; the last parameter changes fastest. */
export function settingsOf(sweep: Sweep): Setting[] {
  let settings: Setting[] = [{}]
  for (const [name, values] of sweep) {
    settings = settings.flatMap((setting) => values.map((value) => ({ ...setting, [name]: value })))
  }
  return settings
}
