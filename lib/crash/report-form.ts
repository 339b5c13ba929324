/**
 * Is a value a report? Reports come back as JSON: from shards to be merged, from the caller's own files. What is shown
 * or merged is checked first, field by field, so that a damaged one is named and not half believed.
 */
import { requireBoolean, requireInteger, requireNumber, requireOneOf, wrongRange, wrongType } from '../args.js'
import { ENGINE_NAMES } from './engines/index.js'
import { REPORT_FORMAT, type Report } from './report.js'

type Check = (name: string, value: unknown) => unknown
type Form = Readonly<Record<string, Check>>

const text: Check = (name, value) => {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
}
const natural: Check = (name, value) => {
  if (requireInteger(name, value) < 0) throw wrongRange(name, 'at least 0', value)
}
const optional =
  (check: Check): Check =>
  (name, value) => {
    if (value !== undefined) check(name, value)
  }
const oneOf =
  (...words: readonly string[]): Check =>
  (name, value) => {
    requireOneOf(name, value, words)
  }

const record =
  (form: Form): Check =>
  (name, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'an object', value)
    for (const [key, check] of Object.entries(form)) check(`${name}.${key}`, (value as Record<string, unknown>)[key])
  }

const listOf =
  (check: Check): Check =>
  (name, value) => {
    if (!Array.isArray(value)) throw wrongType(name, 'an array', value)
    value.forEach((each: unknown, index) => check(`${name}[${index}]`, each))
  }

const pair: Check = (name, value) => {
  listOf(natural)(name, value)
  if ((value as unknown[]).length !== 2) throw wrongRange(name, 'two numbers', value)
}

const store = record({
  op: natural,
  file: natural,
  offset: natural,
  length: natural,
  bytes: text,
  nonTemporal: requireBoolean,
  label: text,
  location: text,
})

const failure = record({
  oracle: text,
  message: text,
  op: natural,
  during: text,
  reading: oneOf('lost', 'kept'),
  stores: listOf(store),
  diagnosis: optional(record({ kind: text, label: text, location: text, before: text, text })),
  differences: listOf(record({ file: natural, offset: natural, expected: text, image: text })),
  variants: listOf(pair),
})

const finding = record({
  kind: text,
  severity: oneOf('error', 'waste', 'note'),
  op: natural,
  file: natural,
  offset: natural,
  label: text,
  location: text,
  count: natural,
})

const operation = record({
  op: natural,
  kind: text,
  thread: requireInteger,
  file: natural,
  offset: natural,
  length: natural,
  label: text,
  location: text,
  word: text,
})

const report = record({
  name: text,
  digest: natural,
  engine: oneOf(...ENGINE_NAMES),
  domain: oneOf('adr', 'eadr'),
  form: oneOf('bare', 'live', 'store log'),
  shard: optional(record({ index: natural, count: natural })),
  stopped: optional(oneOf('states', 'seconds', 'bad images')),
  isComplete: requireBoolean,
  truncated: requireBoolean,
  counts: record({
    moments: natural,
    states: natural,
    images: natural,
    bad: natural,
    looks: natural,
    semantic: natural,
  }),
  operations: natural,
  failures: listOf(failure),
  findings: listOf(finding),
  workload: optional(text),
  seconds: requireNumber,
  log: listOf(operation),
})

/** name: for messages, "report". Errors: TypeError, RangeError naming the field. */
export function requireReport(name: string, value: unknown): Report {
  record({})(name, value)
  const { format } = value as { format?: unknown }
  if (format !== REPORT_FORMAT) throw wrongRange(`${name}.format`, `the format ${REPORT_FORMAT}`, format)
  report(name, value)
  return value as Report
}
