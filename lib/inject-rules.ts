/**
 * What a mount is told to do wrong on purpose: rules, as data.
 *
 *   { operation: 'media-write', error: 'EIO', nth: 3 }                    the third one fails
 *   { operation: 'sync', error: 'ENOSPC', probability: 0.01, seed: 7 }    one of a hundred, the same ones each time
 *   { operation: 'media-read', delay: '50us' }                            a slow device
 *   { operation: 'media-write', torn: true, kill: true, nth: 12 }         the power fails in the middle of a write
 *
 * The command line and the environment write the same as words: 'media-write:EIO:nth=3', 'media-read:delay=50us',
 * 'media-write:torn:kill:nth=12,sync:ENOSPC:probability=0.01:seed=7'. media/injector.ts carries them out.
 */
import {
  requireBoolean,
  requireInteger,
  requireNumber,
  requireOneOf,
  requireOptions,
  requireRange,
  requireString,
  wrongRange,
  wrongType,
} from './args.js'
import { ErrorNumber } from './errors.js'

/**
 *   media-read    bytes of media come into the cache, for a fault, a read() or the edge of a write()
 *   media-write   lines go to media: the writeback of an entry, a line that is fenced or evicted
 *   allocate      blocks are asked for, or unwritten ones become written
 *   sync          fdatasync of the media file on the host
 *   resize        the media file gets another length
 *   punch         blocks of the media file become a hole
 *   move          bytes of the media file go to another place: collapse and insert
 *   note          the list of blocks, or of bad blocks, is written beside the file
 */
export const INJECT_OPERATIONS = [
  'media-read',
  'media-write',
  'allocate',
  'sync',
  'resize',
  'punch',
  'move',
  'note',
] as const
export type InjectOperation = (typeof INJECT_OPERATIONS)[number]

export const INJECT_ERRORS = ['EIO', 'ENOSPC', 'EDQUOT'] as const
export type InjectError = (typeof INJECT_ERRORS)[number]

export interface InjectRule {
  operation: InjectOperation
  /** The operation fails with this, and has done nothing; with `torn`, it has done a part. */
  error?: InjectError
  /** Before it the operation takes this long: microseconds, or '50us', '2ms', '1s'. At most 10 s. */
  delay?: number | string
  /** For 'media-write' with error or kill: some of the 64-byte lines arrive, each by chance of the seed. */
  torn?: boolean
  /** The process ends there with SIGKILL, which is a power failure. */
  kill?: boolean
  /** The first operation to hit, counted from 1 by this rule. Default 1. */
  nth?: number
  /** How many operations to hit at most. Default 1 with `nth`, else Infinity. */
  count?: number
  /** Hit each by chance, 0 … 1. Default 1. */
  probability?: number
  /** Of chance: the same seed hits the operations of the same numbers. Default 0. */
  seed?: number
  /** Only operations on the file that has this name when they are made. Default: on any. */
  file?: string
}

/** Most rules at a time. */
export const INJECT_RULES_MAX = 16
const DELAY_MAX = 10_000_000
const SEED_MAX = 2 ** 32 - 1
const NUMBER_MAX = 2 ** 30

/** A rule in numbers, for the shared words. */
export interface ResolvedRule {
  /** Place in INJECT_OPERATIONS. */
  readonly operation: number
  /** Positive, 0: none. */
  readonly errno: number
  /** Microseconds. */
  readonly delay: number
  readonly torn: boolean
  readonly kill: boolean
  readonly nth: number
  /** 0: no limit. */
  readonly count: number
  readonly probability: number
  readonly seed: number
  /** '': any. */
  readonly file: string
}

const RULE_OPTIONS: readonly (keyof InjectRule)[] = [
  'operation',
  'error',
  'delay',
  'torn',
  'kill',
  'nth',
  'count',
  'probability',
  'seed',
  'file',
]

const ERRNOS: Readonly<Record<InjectError, number>> = {
  EIO: ErrorNumber.EIO,
  ENOSPC: ErrorNumber.ENOSPC,
  EDQUOT: ErrorNumber.EDQUOT,
}

/** Errors: TypeError, RangeError naming the rule and its field. */
export function resolveRules(name: string, value: unknown): ResolvedRule[] {
  if (!Array.isArray(value)) throw wrongType(name, 'an array of rules', value)
  requireRange(`${name}.length`, value.length, 0, INJECT_RULES_MAX, 'rules')
  return value.map((rule, i) => resolveRule(`${name}[${i}]`, rule))
}

function resolveRule(name: string, value: unknown): ResolvedRule {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value)
  const given = requireOptions<InjectRule>(name, value as InjectRule, RULE_OPTIONS)
  const operation = requireOneOf(`${name}.operation`, given.operation, INJECT_OPERATIONS)
  const errno = given.error === undefined ? 0 : ERRNOS[requireOneOf(`${name}.error`, given.error, INJECT_ERRORS)]
  const delay = given.delay === undefined ? 0 : requireDelay(`${name}.delay`, given.delay)
  const torn = requireBoolean(`${name}.torn`, given.torn ?? false)
  const kill = requireBoolean(`${name}.kill`, given.kill ?? false)
  if (errno === 0 && delay === 0 && !kill) throw wrongRange(name, 'a rule with an error, a delay or kill', value)
  if (torn && operation !== 'media-write') throw wrongRange(`${name}.torn`, "false but for 'media-write'", torn)
  if (torn && errno === 0 && !kill) throw wrongRange(`${name}.torn`, 'with an error or kill', torn)
  const count = given.count ?? (given.nth === undefined ? Infinity : 1)
  return {
    operation: INJECT_OPERATIONS.indexOf(operation),
    errno,
    delay,
    torn,
    kill,
    nth: requireRange(`${name}.nth`, given.nth ?? 1, 1, NUMBER_MAX),
    count: count === Infinity ? 0 : requireRange(`${name}.count`, count, 1, NUMBER_MAX),
    probability: requireNumber(`${name}.probability`, given.probability ?? 1, 0, 1),
    seed: requireRange(`${name}.seed`, given.seed ?? 0, 0, SEED_MAX),
    file: given.file === undefined ? '' : requireString(`${name}.file`, given.file),
  }
}

const DELAY_UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000 }

/** Return: microseconds. */
function requireDelay(name: string, value: unknown): number {
  if (typeof value !== 'string') return requireRange(name, requireInteger(name, value), 1, DELAY_MAX, 'microseconds')
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(value)
  if (match === null) throw wrongRange(name, "a time such as '50us', '2ms' or '1s'", value)
  return requireRange(name, Math.round(Number(match[1]) * (DELAY_UNITS[match[2] ?? ''] ?? 1)), 1, DELAY_MAX)
}

const NUMBERS: readonly (keyof InjectRule)[] = ['nth', 'count', 'probability', 'seed']

/**
 * Rules in words, separated by commas; '' is none. Parts of a rule are separated by colons, the operation first.
 * Errors: RangeError naming what is wrong; what a part means is for resolveRules to judge.
 */
export function parseRules(name: string, text: string): InjectRule[] {
  return text
    .split(',')
    .filter((rule) => rule.trim() !== '')
    .map((rule) => parseRule(name, rule.trim()))
}

function parseRule(name: string, text: string): InjectRule {
  const [operation, ...parts] = text.split(':')
  const rule: Record<string, unknown> = { operation }
  for (const part of parts) {
    const [key = '', ...rest] = part.split('=')
    const value = rest.join('=')
    if (rest.length === 0 && (INJECT_ERRORS as readonly string[]).includes(part)) rule['error'] = part
    else if (rest.length === 0 && (part === 'torn' || part === 'kill')) rule[part] = true
    else if (key === 'delay' || key === 'file') rule[key] = /^\d+$/.test(value) && key === 'delay' ? +value : value
    else if ((NUMBERS as readonly string[]).includes(key)) rule[key] = value === '' ? NaN : Number(value)
    else throw wrongRange(name, `made of ${WORDS}`, part)
  }
  return rule as unknown as InjectRule
}

const WORDS =
  'an operation, then :EIO, :ENOSPC or :EDQUOT, :torn, :kill, :delay=50us, :nth=N, :count=N (or Infinity), ' +
  ':probability=P, :seed=N, :file=NAME'

/** The rule in words: what parseRules reads. */
export function ruleText({ operation, error, delay, torn, kill, ...rest }: InjectRule): string {
  const parts: string[] = [operation]
  if (error !== undefined) parts.push(error)
  if (torn === true) parts.push('torn')
  if (kill === true) parts.push('kill')
  if (delay !== undefined) parts.push(`delay=${delay}`)
  const others: Readonly<Record<string, number | string | undefined>> = rest
  for (const [key, value] of Object.entries(others)) if (value !== undefined) parts.push(`${key}=${value}`)
  return parts.join(':')
}
