/** Random calls of mounts, files and mappings. */
import { join } from 'node:path'
import fc from 'fast-check'
import { ADVICE } from '../../lib/fs/vm/abi.js'
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
  memory,
  mostly,
  name,
  object,
  offset,
  oneOf,
  options,
  perhaps,
  size,
  word,
} from './values.js'

/** What the host may say to whoever opens, makes or writes a file of the pool. */
const HOST = [
  'ENOENT',
  'EEXIST',
  'EACCES',
  'EROFS',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'EPERM',
  'ENOSPC',
  'EDQUOT',
]

const poolPath = fc.oneof(
  { weight: 10, arbitrary: fc.nat(2).map((n) => made(`pool ${n}`, ({ scratch }) => join(scratch, `own-${n}`))) },
  { weight: 2, arbitrary: oneOf('/dev/null', '/dev/null/pool', '/proc/pool', 'x'.repeat(300), '') },
  { weight: 1, arbitrary: junk },
)

/** Small, or each round would start a hundred threads. */
const mountOptions = options({
  capacity: oneOf('1MiB', '16MiB', 2 ** 22, PAGE()),
  faultWorkers: oneOf(1, 2),
  placement: oneOf('spin', 'sleep'),
  dirtyTracking: oneOf('sync', 'async'),
  durability: oneOf('process', 'host'),
  maxThreads: oneOf(3, 4, 64),
  maxFiles: oneOf(1, 2, 64),
  maxMappings: oneOf(1, 3, 64),
  maxTreeNodes: oneOf(1, 8, 1024),
  maxExtents: oneOf(1, 8, 1024),
  maxPendingLines: oneOf(1, 16, 1024),
  treeNodeBits: oneOf(2, 6),
  waitBuckets: oneOf(1, 16),
  hugePages: bool,
  flavour: oneOf('ext4', 'xfs'),
  locking: oneOf('entry', 'range', 'inode'),
  faultBatch: oneOf(1, 64),
  mediaLatency: oneOf(0, 50),
  stores: oneOf('diff', 'diff', 'traced'),
  storeLogSize: oneOf(4096, '1MiB'),
  domain: oneOf('adr', 'eadr'),
  zeroCopy: bool,
  maxTraceRecords: oneOf(1, 64),
  inject: options({ faultHandlerThrowsAt: oneOf(0, 1, 20) }),
})

function PAGE(): number {
  return 4096
}

const handle = fc.oneof(
  {
    weight: 8,
    arbitrary: object('Pmem').map((arg) => made(`${arg.text}.handle`, (world) => handleOf(arg.value(world)))),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(object('Pmem'), junk, fc.constantFrom('buffer', 'config', 'root')).map(([arg, value, key]) =>
      made(`${arg.text}.handle with ${key}: ${value.text}`, (world) => {
        const given = handleOf(arg.value(world)) as { machine?: object } | undefined
        return { ...given, machine: { ...given?.machine, [key]: value.value(world) } }
      }),
    ),
  },
  { weight: 1, arbitrary: junk },
)

function handleOf(pmem: unknown): unknown {
  return typeof pmem === 'object' && pmem !== null && 'handle' in pmem ? pmem.handle : undefined
}

const sink = fc.oneof(
  { weight: 4, arbitrary: fc.constant(made('a sink', () => sinkOf(() => undefined))) },
  {
    weight: 1,
    arbitrary: fc.constant(
      made('a sink that throws', () =>
        sinkOf(() => {
          throw new CallbackError('a sink of the fuzzer')
        }),
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(63).map((n) => made(`a sink that meddles(${n})`, (world) => sinkOf(() => world.meddle(n)))),
  },
  { weight: 1, arbitrary: junk },
)

function sinkOf(each: () => void): object {
  return Object.fromEntries(['store', 'flush', 'fence', 'mark', 'acknowledged'].map((key) => [key, each]))
}

/** The same functions again and again: `off` is for one that `on` was given. */
const LISTENERS: readonly Arg[] = [
  literal(() => undefined),
  literal(() => {
    throw new CallbackError('a listener of the fuzzer')
  }),
]
const listener = mostly(
  fc.oneof(
    fc.constantFrom(...LISTENERS),
    fc.nat(63).map((n) => made(`meddles(${n})`, (world) => () => world.meddle(n))),
  ),
)

const fileOrName = fc.oneof(object('DaxFile'), name)
const none: Entry = { args: fc.constant([]) }

export const MODULE: Surface = {
  mount: {
    args: args(poolPath, perhaps(mountOptions)),
    codes: [...HOST, 'EBUSY', 'ENOSYS', 'ENOTSUP', 'ENOMEM'],
    weight: 2,
  },
  attach: { args: args(handle), codes: ['EAGAIN'], weight: 6 },
  probe: { args: args(perhaps(poolPath)), weight: 1 },
}

export const PMEM: Surface = {
  'get Pmem.root': none,
  'get Pmem.isClosed': none,
  'get Pmem.handle': none,
  'Pmem.open': {
    args: args(
      name,
      perhaps(
        options(
          { create: bool, exclusive: bool, size, readOnly: bool, mode: oneOf(0o600, 0o444, 0, 0o777), maxSize: size },
          ['create'],
        ),
      ),
    ),
    codes: [...HOST, 'ENFILE', 'EMFILE', 'ENOMEM', 'EINVAL', 'EFBIG'],
    weight: 30,
  },
  'Pmem.list': none,
  'Pmem.unlink': { args: args(name), codes: [...HOST, 'ENFILE'], weight: 2 },
  'Pmem.rename': { args: args(name, name), codes: [...HOST, 'ENFILE'] },
  'Pmem.fence': none,
  'Pmem.drain': none,
  'Pmem.mark': { args: args(word) },
  'Pmem.acknowledged': { args: args(word) },
  'Pmem.recordStores': {
    args: args(sink, perhaps(options({ locations: oneOf('labels', 'stacks') }))),
    codes: ['ENOTSUP', 'EBUSY'],
  },
  'Pmem.sync': { args: args(), codes: ['ENOSPC'] },
  'Pmem.crash': { args: args(perhaps(options({ survive: oneOf('none', 'all', 'random'), seed: offset }))), weight: 1 },
  'Pmem.poison': {
    args: args(fileOrName, offset, length, perhaps(options({ latent: bool }))),
    codes: [...HOST, 'ENFILE'],
  },
  'Pmem.memoryFailure': { args: args(mostly(fc.nat(1024).map(literal))), codes: ['EBUSY', 'ENOSPC'] },
  'Pmem.badBlocks': { args: args(perhaps(fileOrName)), codes: [...HOST, 'ENFILE'] },
  'Pmem.clearPoison': { args: args(fileOrName, offset, length), codes: [...HOST, 'ENFILE'] },
  'Pmem.inject': { args: args(mostly(fc.constant([]).map(literal))), codes: ['ENOTSUP'], weight: 1 },
  'Pmem.injected': { args: args(), codes: ['ENOTSUP'], weight: 1 },
  'Pmem.stats': none,
  'Pmem.verify': { args: args(), weight: 1 },
  'Pmem.on': { args: args(mostly(oneOf('trace')), listener) },
  'Pmem.off': { args: args(mostly(oneOf('trace')), listener) },
  'Pmem.drainTrace': none,
  'Pmem.close': { args: args(), codes: ['ENOSPC'], weight: 1 },
  'Pmem.[Symbol.dispose]': { args: args(), codes: ['ENOSPC'], weight: 1 },
}

export const FILE: Surface = {
  'get DaxFile.size': none,
  'get DaxFile.inode': none,
  'get DaxFile.isOpen': none,
  'DaxFile.mmap': {
    args: args(
      perhaps(
        options({
          offset: oneOf(0, 0, 4096, 2 ** 21),
          length: size,
          sharing: oneOf('shared', 'private'),
          protection: oneOf('rw', 'rw', 'r', 'w', 'none'),
          sync: bool,
          populate: bool,
        }),
      ),
    ),
    codes: ['EACCES', 'ENOMEM', 'EOPNOTSUPP'],
    weight: 16,
  },
  'DaxFile.read': { args: args(memory, offset), codes: ['EFAULT'] },
  'DaxFile.write': { args: args(memory, offset), codes: ['ENOSPC', 'EFBIG', 'EFAULT', 'ENOMEM'], weight: 8 },
  'DaxFile.truncate': { args: args(size), codes: ['EFBIG', 'ENOSPC'], weight: 6 },
  'DaxFile.fallocate': {
    args: args(
      options({ mode: oneOf('allocate', 'punch', 'zero', 'collapse', 'insert'), offset, length, keepSize: bool }, [
        'offset',
        'length',
      ]),
    ),
    codes: ['ENOSPC', 'EFBIG', 'EINVAL', 'EOPNOTSUPP'],
    weight: 8,
  },
  'DaxFile.sync': { args: args(), codes: ['ENOSPC'] },
  'DaxFile.datasync': { args: args(), codes: ['ENOSPC'] },
  'DaxFile.stat': none,
  'DaxFile.pfnAt': { args: args(offset), codes: ['ENXIO'] },
  'DaxFile.close': { args: args(), weight: 2 },
  'DaxFile.[Symbol.dispose]': { args: args(), weight: 1 },
}

const storeOptions = perhaps(options({ nonTemporal: bool, drain: bool }))
const protection = mostly(oneOf('rw', 'rw', 'r', 'w', 'none'))
const part = args(offset, perhaps(length))

export const MAPPING: Surface = {
  'get DaxMapping.buffer': none,
  'get DaxMapping.byteLength': none,
  'get DaxMapping.mapped': none,
  'get DaxMapping.address': none,
  'get DaxMapping.info': none,
  'DaxMapping.msync': {
    args: args(
      offset,
      perhaps(length),
      perhaps(options({ mode: oneOf('sync', 'async', 'invalidate'), invalidate: bool })),
    ),
    codes: ['ENOMEM', 'ENOSPC'],
    weight: 6,
  },
  'DaxMapping.flush': { args: part },
  'DaxMapping.drain': none,
  'DaxMapping.persist': { args: part },
  'DaxMapping.deepSync': { args: part, weight: 1 },
  'DaxMapping.copy': { args: args(offset, memory, storeOptions), codes: ['EACCES', 'EFAULT'], weight: 8 },
  'DaxMapping.fill': {
    args: args(offset, length, mostly(fc.nat(255).map(literal)), storeOptions),
    codes: ['EACCES', 'EFAULT'],
    weight: 8,
  },
  'DaxMapping.tryRead': { args: args(offset, fc.oneof(length, memory)), codes: ['EACCES', 'EFAULT'], weight: 8 },
  'DaxMapping.tryWrite': { args: args(offset, memory), codes: ['EACCES', 'EFAULT'], weight: 8 },
  'DaxMapping.munmap': { args: part, codes: ['EINVAL', 'ENOMEM'], weight: 2 },
  'DaxMapping.mprotect': { args: args(offset, length, protection), codes: ['EINVAL', 'ENOMEM', 'EACCES'] },
  'DaxMapping.madvise': {
    args: args(mostly(oneOf(...Object.keys(ADVICE))), offset, perhaps(length)),
    codes: ['EINVAL', 'EACCES', 'EFAULT', 'ENOMEM', 'EPERM'],
    weight: 8,
  },
  'DaxMapping.prefetch': { args: part },
  'DaxMapping.mincore': { args: part, codes: ['ENOMEM'] },
  'DaxMapping.mlock': { args: part, codes: ['ENOMEM'] },
  'DaxMapping.munlock': { args: part, codes: ['ENOMEM'] },
  'DaxMapping.mremap': { args: args(size, perhaps(options({ mayMove: bool }))), codes: ['ENOMEM', 'EFAULT'] },
  'DaxMapping.unmap': { args: args(), weight: 2 },
  'DaxMapping.[Symbol.dispose]': { args: args(), weight: 1 },
}

export const RECORDER: Surface = {
  'get StoreRecorder.isActive': none,
  'get StoreRecorder.files': none,
  'get StoreRecorder.locations': none,
  'StoreRecorder.drain': { args: args(), codes: ['ENOSPC'] },
  'StoreRecorder.stop': { args: args(), codes: ['ENOSPC'], weight: 1 },
  'StoreRecorder.[Symbol.dispose]': { args: args(), codes: ['ENOSPC'], weight: 1 },
}
