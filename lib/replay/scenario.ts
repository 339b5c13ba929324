/**
 * Scenarios: sequences of operations on files and mappings, as JSON. They come from elsewhere, so everything about them
 * is checked before the first one runs; an error names scenario, operation and field.
 */
import { BYTE_MAX, Field, type FieldKind, OPERATIONS, type OperationName } from './operations.js'

/** One operation, its numbers read. Which fields it has: operations.ts. */
export interface Operation {
  readonly op: OperationName
  /** As the scenario gave them: for the record. */
  readonly args: Readonly<Record<string, unknown>>
  /** Numbers among the fields. */
  readonly numbers: Readonly<Record<string, number>>
  /** Names, flags, words. */
  readonly texts: Readonly<Record<string, string>>
}

export interface Scenario {
  readonly name: string
  readonly ops: readonly Operation[]
}

/** What is wrong with a scenario file: for its author. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** More would be a mistake or an attack, not a test. */
const SCENARIOS_MAX = 100_000
const OPERATIONS_MAX = 10_000
const QUOTED_MAX = 60

/** text: a JSON array of scenarios. Errors: ScenarioError. */
export function parseScenarios(text: string): Scenario[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ScenarioError(`not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!Array.isArray(value)) throw new ScenarioError('expected an array of scenarios')
  if (value.length > SCENARIOS_MAX) throw new ScenarioError(`more than ${SCENARIOS_MAX} scenarios`)
  const scenarios = value.map(readScenario)
  const seen = new Set<string>()
  for (const { name } of scenarios) {
    if (seen.has(name)) throw new ScenarioError(`two scenarios are called '${name}'`)
    seen.add(name)
  }
  return scenarios
}

function readScenario(value: unknown, index: number): Scenario {
  const place = `scenario ${index}`
  if (!isObject(value)) throw new ScenarioError(`${place}: expected an object`)
  const { name, ops } = value
  if (typeof name !== 'string' || name === '') throw new ScenarioError(`${place}: expected a name`)
  if (!Array.isArray(ops)) throw new ScenarioError(`${name}: expected an array 'ops'`)
  if (ops.length > OPERATIONS_MAX) throw new ScenarioError(`${name}: more than ${OPERATIONS_MAX} operations`)
  return { name, ops: ops.map((op, at) => readOperation(op, `${name} #${at}`)) }
}

function readOperation(value: unknown, place: string): Operation {
  if (!isObject(value)) throw new ScenarioError(`${place}: expected an object`)
  const { op, ...args } = value
  if (typeof op !== 'string' || !isOperation(op)) throw new ScenarioError(`${place}: unknown operation ${quote(op)}`)
  const fields: Readonly<Record<string, FieldKind>> = OPERATIONS[op]
  const numbers: Record<string, number> = {}
  const texts: Record<string, string> = {}
  for (const [name, given] of Object.entries(args)) {
    const kind = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (kind === undefined) throw new ScenarioError(`${place}: ${op} has no field '${name}'`)
    if ((kind & Field.Text) !== 0) texts[name] = readText(given, kind, `${place}: ${name}`)
    else numbers[name] = readNumber(given, kind, `${place}: ${name}`)
  }
  for (const [name, kind] of Object.entries(fields)) {
    if ((kind & Field.Required) !== 0 && !Object.hasOwn(args, name)) {
      throw new ScenarioError(`${place}: ${op} needs '${name}'`)
    }
  }
  if (numbers['step'] === 0) throw new ScenarioError(`${place}: step must be at least 1`)
  return { op, args, numbers, texts }
}

function readText(value: unknown, kind: FieldKind, place: string): string {
  if (typeof value !== 'string') throw new ScenarioError(`${place}: expected a string, got ${quote(value)}`)
  if ((kind & Field.Hex) !== 0 && !/^(?:[0-9a-f]{2})+$/i.test(value)) {
    throw new ScenarioError(`${place}: expected pairs of hexadecimal digits`)
  }
  if ((kind & Field.Path) !== 0 && !/^[^./\0][^/\0]{0,200}$/.test(value)) {
    throw new ScenarioError(`${place}: expected a file name without '/' that does not start with '.'`)
  }
  return value
}

/** Decimal numbers, or hexadecimal ones in a string; what a double does not hold exactly is rounded. */
function readNumber(value: unknown, kind: FieldKind, place: string): number {
  const number = typeof value === 'string' && /^-?(?:0x[0-9a-f]{1,16}|\d{1,20})$/i.test(value) ? toNumber(value) : value
  if (typeof number === 'boolean') return number ? 1 : 0
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    throw new ScenarioError(`${place}: expected a whole number, got ${quote(value)}`)
  }
  if ((kind & Field.Natural) !== 0 && number < 0) throw new ScenarioError(`${place}: expected no negative number`)
  if ((kind & Field.Byte) !== 0 && (number < 0 || number > BYTE_MAX)) {
    throw new ScenarioError(`${place}: expected a byte`)
  }
  return number
}

function toNumber(text: string): number {
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text)
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function quote(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, QUOTED_MAX)
}
