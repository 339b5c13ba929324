/** Random calls of what searches for crash states. */
import { join } from 'node:path'
import fc from 'fast-check'
import { Pmem, Region } from '../../lib/index.js'
import { ENGINE_NAMES } from '../../lib/crash/engines/index.js'
import type { Entry, Surface } from './surface.js'
import {
  type Arg,
  CallbackError,
  args,
  bool,
  junk,
  length,
  literal,
  made,
  plainMemory,
  mostly,
  object,
  offset,
  oneOf,
  options,
  perhaps,
  word,
} from './values.js'

const none: Entry = { args: fc.constant([]) }

const place = mostly(fc.oneof(fc.nat(4096).map(literal), offset))
const count = mostly(fc.oneof(fc.nat(128).map(literal), length))
const number = mostly(fc.nat(9).map(literal))
const bytes = mostly(fc.nat(128).map((n) => made(`Uint8Array(${n})`, () => new Uint8Array(n).fill(n))))
const value = mostly(fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n).map(literal), fc.nat().map(literal)))
const work = mostly(
  fc.constantFrom(
    made('() => 1', () => () => 1),
    made('() => { throw }', () => () => {
      throw new CallbackError('work of the fuzzer')
    }),
  ),
)

export const REGION: Surface = {
  'new Region': {
    args: args(fc.oneof(bytes, plainMemory), perhaps(options({ log: object('StoreLog'), locations: bool }))),
    weight: 6,
  },
  'get Region.size': none,
  'get Region.bytes': none,
  'Region.load64': { args: args(place) },
  'Region.load32': { args: args(place) },
  'Region.load8': { args: args(place) },
  'Region.load': { args: args(place, count) },
  'Region.store64': { args: args(place, value) },
  'Region.store32': { args: args(place, value) },
  'Region.store8': { args: args(place, value) },
  'Region.store': { args: args(place, plainMemory) },
  'Region.storeNT': { args: args(place, plainMemory) },
  'Region.flush': { args: args(place, perhaps(count)) },
  'Region.fence': none,
  'Region.persist': { args: args(place, perhaps(count)) },
  'Region.msync': { args: args(perhaps(place), perhaps(count)) },
  'Region.mark': { args: args(word) },
  'Region.acknowledged': { args: args(word) },
  'Region.operation': { args: args(word, work) },
  'Region.asThread': { args: args(number) },
}

export const LOG: Surface = {
  'new StoreLog': none,
  'get StoreLog.count': none,
  'get StoreLog.byteSize': none,
  'StoreLog.store': { args: args(number, number, place, bytes, bool, perhaps(number)), weight: 8 },
  'StoreLog.flush': { args: args(number, number, place, count, perhaps(number)) },
  'StoreLog.fence': { args: args(number, perhaps(number)) },
  'StoreLog.sync': { args: args(number, number, place, count, word, perhaps(number)) },
  'StoreLog.mark': { args: args(number, word) },
  'StoreLog.acknowledged': { args: args(number, word) },
  'StoreLog.begin': { args: args(number, word) },
  'StoreLog.end': { args: args(number, word) },
  'StoreLog.location': { args: args(word) },
  ...Object.fromEntries(
    ['kind', 'thread', 'file', 'offset', 'length', 'bytes', 'label', 'where', 'word', 'isSync', 'isStore'].map(
      (key) => [`StoreLog.${key}`, { args: args(number) }],
    ),
  ),
  'StoreLog.byte': { args: args(number, number) },
  'StoreLog.clear': { args: args(), weight: 1 },
  'StoreLog.digest': none,
}

/** What a program under test may do in its functions; what it stores is as bad as any program. */
const BODIES: readonly Arg[] = [
  made('stores', () => (region: Region) => {
    if (!(region instanceof Region)) throw new CallbackError('a test of the other form')
    region.store64(0, 1n)
    region.persist(0, 8)
    region.store64(64, 2n)
  }),
  made('operates', () => (region: Region) => {
    if (!(region instanceof Region)) throw new CallbackError('a test of the other form')
    region.operation('one', () => region.store64(128, 7n))
    region.acknowledged('one')
  }),
  made('stores to a mapping', () => (pmem: Pmem) => {
    if (!(pmem instanceof Pmem)) throw new CallbackError('a test of the other form')
    const file = pmem.open('log.pm', { create: true, size: 8192 })
    file.mmap().fill(0, 8, 1)
  }),
  made('throws', () => () => {
    throw new CallbackError('a program of the fuzzer')
  }),
  made('rejects', () => () => Promise.reject(new CallbackError('a promise of the fuzzer'))),
  made('exits', () => () => process.exit(7)),
  made('says no', () => () => false),
  made('says why', () => () => 'not so'),
  made('resolves', () => () => Promise.resolve(true)),
  made('returns a symbol', () => () => Symbol('state')),
  made('returns itself', () => {
    const self: Record<string, unknown> = {}
    self['self'] = self
    return () => self
  }),
]
const body = mostly(fc.constantFrom(...BODIES))
/** Rarely: they cost the whole of their time limit. */
const ENDLESS: readonly Arg[] = [
  made('never ends', () => () => {
    for (;;);
  }),
  made('calls for ever', () => (pool: unknown) => {
    for (;;) callOnce(pool)
  }),
  made('resolves late', () => () => new Promise((resolve) => setTimeout(resolve, 60))),
  made('never resolves', () => () => new Promise(() => undefined)),
]
const rarelyEndless = fc.oneof({ weight: 40, arbitrary: body }, { weight: 1, arbitrary: fc.constantFrom(...ENDLESS) })

function callOnce(pool: unknown): void {
  if (pool instanceof Region) pool.store64(8 * Math.floor(Math.random() * 32), 5)
  if (!(pool instanceof Pmem)) return
  const file = pool.open('log.pm', { create: true, size: 8192 })
  file.mmap().fill(0, 8, 1)
  file.sync()
  pool.rename('log.pm', 'other.pm')
  pool.crash()
  pool.unlink('other.pm')
}

const test = options(
  {
    name: word,
    form: oneOf('bare', 'live'),
    size: oneOf(256, 4096, '8KiB'),
    setup: body,
    workload: rarelyEndless,
    recover: rarelyEndless,
    check: rarelyEndless,
    usable: rarelyEndless,
    atomic: bool,
    idempotent: bool,
  },
  ['workload'],
)

const exploreOptions = options(
  {
    engine: oneOf(...ENGINE_NAMES),
    k: oneOf(0, 1, 2),
    seed: number,
    samples: oneOf(1, 10),
    domain: oneOf('adr', 'eadr'),
    maxStates: oneOf(1, 20),
    seconds: oneOf(0, 0.01, 0.05),
    maxBad: oneOf(1, 2, Infinity),
    timeLimit: fc.constant(literal(40)),
    shard: oneOf('1/2', '2/2', '1/1', '0/1', 'x'),
    resume: fc.nat(2).map((n) => made(`journal ${n}`, ({ scratch }) => join(scratch, `journal-${n}`))),
    onProgress: fc.constantFrom(made('listens', () => () => undefined)),
  },
  ['seconds', 'timeLimit', 'maxStates'],
)

/** Errors that setup throws pass; so do those of the journal, and of the host where it is. */
const EXPLORE_ERRORS = ['JournalError', 'ExitError']
const EXPLORE_CODES = ['ENOTSUP', 'EBUSY', 'ENOENT', 'EEXIST', 'EACCES', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'ENOSPC']

const REPORT = {
  format: 1,
  name: 'fuzz',
  digest: 1,
  engine: 'exhaustive',
  domain: 'adr',
  form: 'bare',
  isComplete: true,
  truncated: false,
  counts: { moments: 1, states: 1, images: 1, bad: 0, looks: 1, semantic: 1 },
  operations: 1,
  failures: [],
  findings: [],
  seconds: 0,
  log: [],
}
const report = fc.oneof(
  { weight: 3, arbitrary: fc.constant(literal(REPORT)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...Object.keys(REPORT)), junk)
      .map(([key, arg]) =>
        made(`a report with ${key}: ${arg.text}`, (world) => ({ ...REPORT, [key]: arg.value(world) })),
      ),
  },
  { weight: 1, arbitrary: junk },
)

const chai = mostly(fc.constant(made('chai', () => ({ Assertion: { addMethod: () => undefined } }))))

export const EXPLORE: Surface = {
  explore: { args: args(test, perhaps(exploreOptions)), errors: EXPLORE_ERRORS, codes: EXPLORE_CODES, weight: 4 },
  exploreLive: { args: args(test, perhaps(exploreOptions)), errors: EXPLORE_ERRORS, codes: EXPLORE_CODES, weight: 1 },
  hasPassed: { args: args(report) },
  reportText: { args: args(report) },
  survivePowerFailure: { args: args(chai) },
}
