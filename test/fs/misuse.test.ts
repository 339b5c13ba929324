/**
 * Misuse of every public function: the wrong type is a TypeError, the wrong value a RangeError, and the message says
 * what it is about, what was expected and what came. A closed object is EBADF.
 */
import { expect } from 'chai'
import * as faultline from '../../lib/index.js'
import { type DaxFile, type DaxMapping, type Pmem, attach, mount, probe } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096
const SIZE = 4 * PAGE

/** A call with its arguments replaced by wrong ones: [what, arguments, error, words of the message]. */
type Case = readonly [call: string, args: readonly unknown[], error: typeof TypeError | typeof RangeError, says: RegExp]

const NOT_A_NUMBER = ['1', null, true, {}, 1n] as const

function wrongOffsets(call: string, rest: readonly unknown[] = []): Case[] {
  return [
    ...NOT_A_NUMBER.map((value): Case => [call, [value, ...rest], TypeError, /offset must be .* but received /]),
    ...[-1, 0.5, NaN, Infinity, SIZE + 1].map((value): Case => [
      call,
      [value, ...rest],
      RangeError,
      /offset must be .* but received /,
    ]),
  ]
}

function wrongLengths(call: string, most = SIZE + 1): Case[] {
  return [
    ...NOT_A_NUMBER.map((value): Case => [call, [0, value], TypeError, /must be .* but received /]),
    ...[-1, 0.5, NaN, most, 2 ** 53].map((value): Case => [call, [0, value], RangeError, /length must be .*received/]),
  ]
}

const NOT_OPTIONS = [1, 'x', null, []] as const

function wrongOptions(call: string, before: readonly unknown[], known: readonly Record<string, unknown>[]): Case[] {
  return [
    ...NOT_OPTIONS.map((value): Case => [call, [...before, value], TypeError, /must be an object but received /]),
    [call, [...before, { nonsense: 1 }], TypeError, /must have only the options .* but received 'nonsense'/],
    ...known.flatMap((wrong): Case[] =>
      Object.entries(wrong).map(([name, value]) => {
        const isRange = typeof value === 'number' || typeof value === 'string'
        return [call, [...before, { [name]: value }], isRange ? RangeError : TypeError, new RegExp(`${name} must be`)]
      }),
    ),
  ]
}

/** Values of the right type are out of range, others of the wrong type. */
const MOUNT_OPTIONS = [
  { capacity: 0, faultWorkers: 0, durability: 'disk', maxThreads: 1, maxFiles: 0, maxMappings: -1, maxTreeNodes: 0.5 },
  { capacity: '12 parsecs', maxExtents: 0, maxPendingLines: 0, treeNodeBits: 7, waitBuckets: 3, faultWorkers: 65 },
  { stores: 'all', storeLogSize: 0, domain: 'cpu', faultAround: 3, dirtyTracking: 'never' },
  { stores: true, storeLogSize: '1 mile', domain: 1n, zeroCopy: 1n },
  { capacity: true, faultWorkers: '2'.split(''), durability: 7n, inject: 7n, waitBuckets: null },
].map((options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)))

const MOUNT: Case[] = [
  ...[1, null, undefined, {}, Buffer.from('x')].map((value): Case => [
    'mount',
    [value],
    TypeError,
    /path must be a string/,
  ]),
  ['mount', [''], RangeError, /path must be a non-empty string/],
  ['mount', ['a\0b'], RangeError, /NUL/],
  ...wrongOptions('mount', ['/nonexistent/never'], MOUNT_OPTIONS).filter(([, args]) => args[1] !== null),
  ...[1, null, undefined, 'x', {}, { machine: {} }, { machine: { buffer: new SharedArrayBuffer(4096) } }].map(
    (value): Case => ['attach', [value], TypeError, /handle must be/],
  ),
  ['attach', [{ machine: { buffer: new SharedArrayBuffer(0) } }], TypeError, /handle must be/],
]

const NAMES = ['', '.', '..', '.hidden', 'a/b', '/a', '../a', 'a\0b', 'x'.repeat(256)]

/** The rules of inject, which the mount option takes too. */
const INJECT_RULES: Case[] = [
  ...[1, null, undefined, {}, 'EIO'].map((value): Case => ['inject', [value], TypeError, /must be an array of rules/]),
  ...[1, null, undefined, []].map((value): Case => [
    'inject',
    [[value]],
    TypeError,
    /rules\[0\] must be an object|operation/,
  ]),
  ...(
    [
      [{}, TypeError, /rules\[0\]\.operation must be one of/],
      [{ operation: 'snyc', error: 'EIO' }, RangeError, /operation must be one of /],
      [{ operation: 'sync' }, RangeError, /must be a rule with an error, a delay or kill/],
      [{ operation: 'sync', error: 'EPERM' }, RangeError, /error must be one of 'EIO', 'ENOSPC', 'EDQUOT'/],
      [{ operation: 'sync', error: 'EIO', torn: true }, RangeError, /torn must be false but for 'media-write'/],
      [{ operation: 'media-write', delay: 1, torn: true }, RangeError, /torn must be with an error or kill/],
      [{ operation: 'sync', error: 'EIO', nth: 0 }, RangeError, /nth must be/],
      [{ operation: 'sync', error: 'EIO', count: 0.5 }, RangeError, /count must be/],
      [{ operation: 'sync', error: 'EIO', probability: 2 }, RangeError, /probability must be between 0 and 1/],
      [{ operation: 'sync', error: 'EIO', seed: -1 }, RangeError, /seed must be/],
      [{ operation: 'sync', delay: '5 minutes' }, RangeError, /delay must be a time such as/],
      [{ operation: 'sync', delay: '11s' }, RangeError, /delay must be/],
      [{ operation: 'sync', error: 'EIO', file: '' }, RangeError, /file must be/],
      [{ operation: 'sync', error: 'EIO', often: true }, TypeError, /must have only the options .*'often'/],
    ] as const
  ).map(([rule, error, message]): Case => ['inject', [[rule]], error, message]),
  ['inject', [Array<object>(17).fill({ operation: 'sync', error: 'EIO' })], RangeError, /length must be/],
]

const SINK = Object.fromEntries(
  ['store', 'flush', 'fence', 'mark', 'acknowledged'].map((name) => [name, () => undefined]),
)

const PMEM: Case[] = [
  ...['open', 'unlink'].flatMap((call): Case[] => [
    ...[1, null, undefined, {}].map((value): Case => [call, [value], TypeError, /name must be a string/]),
    ...NAMES.map((name): Case => [call, [name], RangeError, /name must be/]),
  ]),
  ...[1, null, undefined, {}].map((value): Case => ['rename', ['a.pm', value], TypeError, /name must be a string/]),
  ...NAMES.flatMap((name): Case[] => [
    ['rename', [name, 'a.pm'], RangeError, /name must be/],
    ['rename', ['a.pm', name], RangeError, /name must be/],
  ]),
  ...['on', 'off'].flatMap((call): Case[] => [
    [call, ['fault', () => undefined], RangeError, /event must be one of 'trace'/],
    [call, [1, () => undefined], TypeError, /event must be one of 'trace'/],
  ]),
  ...[1, null, undefined, {}].map((value): Case => ['on', ['trace', value], TypeError, /listener must be/]),
  ...['mark', 'acknowledged'].flatMap((call): Case[] => [
    ...[1, null, undefined, {}].map((value): Case => [call, [value], TypeError, /(label|id) must be a string/]),
    [call, [''], RangeError, /must be a non-empty string/],
    [call, ['é'.repeat(2049)], RangeError, /must be at most 4096 bytes/],
  ]),
  ...[1, null, undefined, {}, { store: () => undefined, flush: 1 }].map((value): Case => [
    'recordStores',
    [value],
    TypeError,
    /sink\.(store|flush) must be a function but received/,
  ]),
  ...wrongOptions('recordStores', [SINK], [{ locations: 'all' }, { locations: 1n }]).filter(
    ([, [, options]]) => options !== null,
  ),
  ...wrongOptions(
    'open',
    ['a.pm'],
    [
      { create: null, exclusive: [], readOnly: {}, size: -1, maxSize: '1 furlong', mode: 0o1000 },
      { size: 2 ** 53, mode: -1, maxSize: 1.5 },
      { size: true, mode: true, maxSize: [] },
    ],
  ),
  ...['poison', 'badBlocks', 'clearPoison'].flatMap((call): Case[] => [
    ...[1, null, {}].map((value): Case => [call, [value, 0, 1], TypeError, /file must be a file of this mount/]),
    ...NAMES.map((name): Case => [call, [name, 0, 1], RangeError, /name must be/]),
  ]),
  ...['poison', 'clearPoison'].flatMap((call): Case[] => [
    ...NOT_A_NUMBER.map((value): Case => [call, ['a.pm', value, 1], TypeError, /offset must be an integer/]),
    ...NOT_A_NUMBER.map((value): Case => [call, ['a.pm', 0, value], TypeError, /length must be an integer/]),
    ...[-1, 0.5, NaN, 2 ** 53].map((value): Case => [call, ['a.pm', value, 1], RangeError, /offset must be/]),
    ...[-1, 0, 0.5, NaN, 2 ** 53].map((value): Case => [call, ['a.pm', 0, value], RangeError, /length must be/]),
  ]),
  ...wrongOptions('poison', ['a.pm', 0, 1], [{ latent: null }]),
  ['poison', ['a.pm', 0, 1, { latent: 1 }], TypeError, /latent must be true or false/],
  ...NOT_A_NUMBER.map((value): Case => ['memoryFailure', [value], TypeError, /pfn must be an integer/]),
  ...[-1, 0.5, NaN, 2 ** 53].map((value): Case => ['memoryFailure', [value], RangeError, /pfn must be/]),
  ...INJECT_RULES,
  ...wrongOptions('crash', [], [{ survive: 'some', seed: 0.5 }, { survive: [], seed: true }, { survive: true }]),
]

const FILE: Case[] = [
  ...wrongOptions(
    'mmap',
    [],
    [
      { offset: 1, length: 0, sharing: 'both', protection: 'x' },
      { offset: -PAGE, length: -1 },
      { offset: 2 ** 53, length: '4 bananas' },
      { offset: true, length: [], sharing: {}, protection: 1n },
    ],
  ),
  ['mmap', [{ sync: 1 }], TypeError, /sync must be true or false/],
  ['mmap', [{ populate: 'yes' }], TypeError, /populate must be true or false/],
  ['mmap', [{ offset: SIZE }], RangeError, /length must be given.*but received none/],
  ['mmap', [{ length: 2 ** 52 }], RangeError, /length must be/],
  ...['read', 'write'].flatMap((call): Case[] => [
    ...[1, 'x', null, undefined, {}, [1]].map((value): Case => [
      call,
      [value, 0],
      TypeError,
      /buffer must be a Buffer.* but received /,
    ]),
    ...['0', null, undefined, true, {}].map((value): Case => [
      call,
      [Buffer.alloc(1), value],
      TypeError,
      /position must be an integer/,
    ]),
    ...[-1, 0.5, NaN, 2 ** 53].map((value): Case => [
      call,
      [Buffer.alloc(1), value],
      RangeError,
      /position must be .* but received /,
    ]),
  ]),
  ...[null, undefined, true, {}].map((value): Case => ['truncate', [value], TypeError, /size must be/]),
  ...[-1, 0.5, NaN, '-1', 'x', '', 2 ** 53].map((value): Case => ['truncate', [value], RangeError, /size must be/]),
  ...wrongOptions(
    'fallocate',
    [],
    [
      { mode: 'shrink', offset: -1 },
      { mode: 7n, offset: true },
    ],
  ),
  ['fallocate', [{ length: 1 }], TypeError, /offset must be an integer but received undefined/],
  ['fallocate', [{ offset: 0 }], TypeError, /length must be an integer but received undefined/],
  ['fallocate', [{ offset: 0, length: 0 }], RangeError, /length must be/],
  ['fallocate', [{ offset: 0, length: 2 ** 53 }], RangeError, /length must be/],
  ['fallocate', [{ offset: 0, length: 1, keepSize: 'yes' }], TypeError, /keepSize must be/],
  ['fallocate', [], TypeError, /must be/],
  ...NOT_A_NUMBER.map((value): Case => ['pfnAt', [value], TypeError, /offset must be an integer/]),
  ...[-1, 0.5, NaN, 2 ** 53].map((value): Case => ['pfnAt', [value], RangeError, /offset must be/]),
]

const MAPPING: Case[] = [
  ...['msync', 'flush', 'persist', 'deepSync', 'prefetch'].flatMap((call) => [
    ...wrongOffsets(call),
    ...wrongLengths(call),
  ]),
  ['msync', [1], RangeError, /offset must be a multiple of the page size \(4096\) but received 1/],
  ...wrongOptions('msync', [0, PAGE], [{ mode: 'later' }, { mode: true }]),
  ...['munmap', 'mincore', 'mlock', 'munlock'].flatMap((call) => [...wrongOffsets(call), ...wrongLengths(call)]),
  ...['munmap', 'mincore'].map((call): Case => [call, [1], RangeError, /offset must be a multiple of the page size/]),
  ...wrongOffsets('mprotect', [PAGE, 'r']),
  ...['x', '', 'R'].map((value): Case => ['mprotect', [0, PAGE, value], RangeError, /protection must be one of/]),
  ...[1, null, {}].map((value): Case => ['mprotect', [0, PAGE, value], TypeError, /protection must be one of/]),
  ...['often', ''].map((value): Case => ['madvise', [value], RangeError, /advice must be one of/]),
  ...[1, null, undefined].map((value): Case => ['madvise', [value], TypeError, /advice must be one of/]),
  ['madvise', ['dontneed', 1], RangeError, /offset must be a multiple of the page size/],
  ...[null, undefined, true, {}].map((value): Case => ['mremap', [value], TypeError, /newLength must be/]),
  ...[-1, 0, 0.5, 'x', 2 ** 53].map((value): Case => ['mremap', [value], RangeError, /newLength must be/]),
  ['mremap', [PAGE, { mayMove: 1 }], TypeError, /mayMove must be true or false/],
  ...wrongOffsets('tryRead', [1]),
  ...wrongLengths('tryRead').filter(([, [, value]]) => typeof value === 'number'),
  ...['1', null, undefined, {}].map((value): Case => ['tryRead', [0, value], TypeError, /must be .* but received/]),
  ['tryRead', [1, Buffer.alloc(SIZE)], RangeError, /length must be/],
  ...wrongOffsets('tryWrite', [Buffer.alloc(1)]),
  ...[1, '1', null, undefined, {}].map((value): Case => ['tryWrite', [0, value], TypeError, /source must be/]),
  ['tryWrite', [1, Buffer.alloc(SIZE)], RangeError, /length must be/],
  ...wrongOffsets('copy', [Buffer.alloc(1)]),
  ...[1, '1', null, undefined, {}].map((value): Case => ['copy', [0, value], TypeError, /source must be/]),
  ['copy', [1, Buffer.alloc(SIZE)], RangeError, /length must be/],
  ...wrongOptions('copy', [0, Buffer.alloc(1)], [{ nonTemporal: [], drain: [] }]),
  ...wrongOffsets('fill', [1, 0]),
  ...[-1, 0.5, SIZE + 1].map((value): Case => ['fill', [0, value, 0], RangeError, /length must be/]),
  ...['1', null, undefined].map((value): Case => ['fill', [0, value, 0], TypeError, /length must be/]),
  ...[-1, 256, 0.5].map((value): Case => ['fill', [0, 1, value], RangeError, /value must be/]),
  ...wrongOptions('fill', [0, 1, 0], [{ nonTemporal: [], drain: [] }]),
]

function call(target: object, name: string, args: readonly unknown[]): unknown {
  const method = (target as Record<string, (...given: unknown[]) => unknown>)[name]
  if (method === undefined) throw new Error(`no function ${name}`)
  return method.apply(target, [...args])
}

function expectAll(target: object, cases: readonly Case[]): void {
  for (const [name, args, error, says] of cases) {
    const title = `${name}(${args.map((value) => String(describeArgument(value))).join(', ')})`
    let thrown: unknown
    try {
      call(target, name, args)
    } catch (caught) {
      thrown = caught
    }
    expect(thrown, `${title} must throw`).to.be.instanceOf(Error)
    expect((thrown as Error).name, `${title}: ${(thrown as Error).message}`).to.equal(error.name)
    expect((thrown as Error).message, title)
      .to.match(says)
      .and.match(/must .* but received/)
  }
}

function describeArgument(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner))
  }
  return value
}

describe('misuse', () => {
  let pmem: Pmem
  let file: DaxFile
  let map: DaxMapping

  before(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory())
    file = pmem.open('a.pm', { create: true, size: SIZE, maxSize: '1GiB' })
    map = file.mmap()
  })
  after(() => {
    pmem.close()
  })

  it('of mount and attach', () => {
    expectAll(faultline, MOUNT)
  })
  it('of a mount', () => {
    expectAll(pmem, PMEM)
  })
  it('of a file', () => {
    expectAll(file, FILE)
  })
  it('of a mapping', () => {
    expectAll(map, MAPPING)
  })

  it('changes nothing', () => {
    expect(pmem.list()).to.deep.equal(['a.pm'])
    expect(file.stat()).to.include({ size: SIZE, blocks: 0, unfencedLines: 0 })
    expect(pmem.stats().memory).to.include({ liveMappings: 1, inodes: 1 })
  })

  it('is looked for in every function there is', () => {
    const tested = new Set([...MOUNT, ...PMEM, ...FILE, ...MAPPING].map(([name]) => name))
    const without = new Set([
      'constructor',
      'list',
      'fence',
      'sync',
      'stats',
      'verify',
      'close',
      'stat',
      'datasync',
      'unmap',
    ])
    for (const name of ['drainTrace', 'drain', 'injected']) without.add(name)
    const internal = new Set(['fileClosed', 'mappingMade', 'mappingGone', 'endTrace', 'leaveAtExit'])
    for (const { prototype } of [faultline.Pmem, faultline.DaxFile, faultline.DaxMapping] as { prototype: object }[]) {
      for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        if (typeof value !== 'function' || without.has(name) || internal.has(name)) continue
        expect([...tested], name).to.include(name)
      }
    }
    // Misuse of these is looked for in test/crash.
    const crash = ['Region', 'StoreLog', 'explore', 'exploreLive', 'hasPassed', 'reportText']
    expect(Object.keys(faultline).sort()).to.deep.equal(
      [
        ...crash,
        'BugError',
        'DaxFile',
        'DaxMapping',
        'Pmem',
        'PmemError',
        'StoreRecorder',
        'attach',
        'mount',
        'probe',
      ].sort(),
    )
    expect(probe()).to.be.an('array')
  })
})

describe('closed objects', () => {
  const BYTE = Buffer.alloc(1)
  const calls: Record<'pmem' | 'file' | 'map', Record<string, readonly unknown[]>> = {
    pmem: {
      open: ['a.pm'],
      list: [],
      unlink: ['a.pm'],
      rename: ['a.pm', 'b.pm'],
      fence: [],
      drain: [],
      mark: ['a'],
      acknowledged: ['a'],
      recordStores: [SINK],
      sync: [],
      crash: [],
      stats: [],
    },
    file: {
      mmap: [{ length: 1 }],
      read: [BYTE, 0],
      write: [BYTE, 0],
      truncate: [0],
      fallocate: [{ offset: 0, length: 1 }],
      sync: [],
      datasync: [],
      stat: [],
    },
    map: {
      ...{ msync: [], flush: [], persist: [], drain: [], deepSync: [] },
      ...{ tryRead: [0, 1], tryWrite: [0, BYTE], copy: [0, BYTE], fill: [0, 1, 0] },
    },
  }

  function expectClosed(target: object, which: keyof typeof calls): void {
    for (const [name, args] of Object.entries(calls[which])) {
      expect(() => call(target, name, args), name)
        .to.throw(faultline.PmemError, /^EBADF: .*(closed|unmapped)/)
        .with.property('code', 'EBADF')
    }
  }

  it('throw EBADF, and closing them again does nothing', function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    const file = pmem.open('a.pm', { create: true, size: SIZE })
    const map = file.mmap()
    const bytes = new Uint8Array(map.buffer)
    map.unmap()
    expectClosed(map, 'map')
    expect(map).to.include({ mapped: false, byteLength: 0 })
    expect(bytes.length).to.equal(0)
    expect(bytes[0]).to.equal(undefined)
    file.close()
    expectClosed(file, 'file')
    expect(() => file.size).to.throw(faultline.PmemError, /^EBADF/)
    const { handle } = pmem
    pmem.close()
    expectClosed(pmem, 'pmem')
    expect(() => attach(handle)).to.throw(faultline.PmemError, /^EBADF/)
    map.unmap()
    file.close()
    pmem.close()
  })

  it('may be closed in any order', function () {
    requireUserfaultfd(this)
    this.timeout(120_000)
    const pool = temporaryDirectory()
    for (const order of permutations([0, 1, 2, 3])) {
      const pmem = mount(pool, { faultWorkers: 1 })
      const other = attach(pmem.handle)
      const file = other.open('a.pm', { create: true, size: SIZE })
      const map = file.mmap()
      new Uint8Array(map.buffer).fill(order[0] as number, 0, PAGE)
      const closers = [
        () => {
          map.unmap()
        },
        () => {
          file.close()
        },
        () => {
          other.close()
        },
        () => {
          pmem.close()
        },
      ]
      for (const i of order) closers[i]?.()
      expect(map.buffer.byteLength).to.equal(0)
      const again = mount(pool, { faultWorkers: 1 })
      // The last to leave wrote everything back.
      expect(new Uint8Array(again.open('a.pm').mmap().buffer)[PAGE - 1]).to.equal(order[0])
      again.close()
    }
  })
})

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]))
}
