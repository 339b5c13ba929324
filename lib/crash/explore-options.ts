/** Options of an exploration, checked, with their defaults. */
import {
  requireBoolean,
  requireFunction,
  requireNumber,
  requireOneOf,
  requireOptions,
  requireRange,
  requireString,
  wrongRange,
} from '../args.js'
import { ENGINE_NAMES, type EngineName } from './engines/index.js'
import type { Counts } from './exploration.js'
import type { Domain } from './timeline.js'

export interface ExploreOptions {
  /** Which crash states are looked at. Default 'exhaustive': all of them. */
  engine?: EngineName
  /** 'deviating': at most so many lines differ from losing, or keeping, all. Default 2. */
  k?: number
  /** 'random': the seed. Default 0. */
  seed?: number
  /** 'random': states drawn at each moment. Default 1000. */
  samples?: number
  /** 'adr' (default): what is not flushed and fenced may be lost. 'eadr': caches survive. */
  domain?: Domain
  /** Stop after so many states. Default: no limit. */
  maxStates?: number
  /** Stop after so many seconds. Default 60. */
  seconds?: number
  /** Stop when so many images are bad: more of them tell nothing new. Default 1000; Infinity: go on. */
  maxBad?: number
  /**
   * Milliseconds that the workload, and each recovery with its checks, may take; on a mounted pool, each function of
   * the test. What does not call us is ended a quarter of a second later. Default 5000; 0: no limit.
   */
  timeLimit?: number
  /** 'i/n' with i in 1 … n: of the images, every n-th. Reports of all n shards are merged by mergeReports. */
  shard?: string
  /** File to write progress to, and to go on from when it is there. */
  resume?: string
  /** Called a few times a second. */
  onProgress?: (counts: Readonly<Counts>) => void
}

export interface ResolvedOptions {
  readonly engine: EngineName
  readonly k: number
  readonly seed: number
  readonly samples: number
  readonly domain: Domain
  readonly maxStates: number
  readonly seconds: number
  readonly maxBad: number
  /** The caller has chosen a budget, so to stop at it is what was asked for. */
  readonly isBudgetGiven: boolean
  readonly timeLimit: number
  readonly shard: { readonly index: number; readonly count: number } | undefined
  readonly resume: string | undefined
  readonly onProgress: ((counts: Readonly<Counts>) => void) | undefined
}

const NAMES: readonly (keyof ExploreOptions)[] = [
  'engine',
  'k',
  'seed',
  'samples',
  'domain',
  'maxStates',
  'seconds',
  'maxBad',
  'timeLimit',
  'shard',
  'resume',
  'onProgress',
]
const SECONDS_DEFAULT = 60
const MAX_BAD_DEFAULT = 1000
const SHARDS_MAX = 65536

/** Errors: TypeError, RangeError. */
export function resolveExploreOptions(options?: ExploreOptions): ResolvedOptions {
  const given = requireOptions<ExploreOptions>('explore options', options, NAMES)
  return {
    engine: requireOneOf('engine', given.engine ?? 'exhaustive', ENGINE_NAMES),
    k: requireRange('k', given.k ?? 2, 0, 64),
    seed: requireRange('seed', given.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    samples: requireRange('samples', given.samples ?? 1000, 1, 2 ** 31),
    domain: requireOneOf('domain', given.domain ?? 'adr', ['adr', 'eadr']),
    maxStates: given.maxStates === undefined ? Infinity : requireRange('maxStates', given.maxStates, 1, 2 ** 50),
    seconds: given.seconds === Infinity ? Infinity : requireNumber('seconds', given.seconds ?? SECONDS_DEFAULT, 0),
    maxBad: given.maxBad === Infinity ? Infinity : requireRange('maxBad', given.maxBad ?? MAX_BAD_DEFAULT, 1, 2 ** 50),
    isBudgetGiven: given.seconds !== undefined || given.maxStates !== undefined,
    timeLimit: requireRange('timeLimit', given.timeLimit ?? 5000, 0, 2 ** 31 - 1, 'milliseconds'),
    shard: given.shard === undefined ? undefined : parseShard(given.shard),
    resume: given.resume === undefined ? undefined : requireString('resume', given.resume),
    onProgress: listener(given.onProgress),
  }
}

function listener(given: ExploreOptions['onProgress']): ExploreOptions['onProgress'] {
  if (given !== undefined) requireFunction('onProgress', given)
  return given
}

function parseShard(text: unknown): { index: number; count: number } {
  const [, index = '', count = ''] = /^(\d+)\/(\d+)$/.exec(typeof text === 'string' ? text : '') ?? []
  const shard = { index: Number(index) - 1, count: Number(count) }
  if (shard.count >= 1 && shard.count <= SHARDS_MAX && shard.index >= 0 && shard.index < shard.count) return shard
  throw wrongRange('shard', "two numbers such as '2/8', the first not above the second", text)
}

/** Return: whether an oracle that has a default is on. */
export function oracleIsOn(name: string, given: unknown, otherwise: boolean): boolean {
  return given === undefined ? otherwise : requireBoolean(name, given)
}
