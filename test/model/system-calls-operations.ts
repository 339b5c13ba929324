/**
 * Random system calls, as plain data: what fast-check draws, shrinks and prints.
 *
 * An operation names files, opens and mappings by small numbers that are taken modulo what there is when it runs, and
 * offsets in bytes that are cut to what it acts on. So any part of a sequence is a sequence, which is what shrinking
 * needs.
 */
import fc from 'fast-check'
import type { AdviceName, Protection } from '../../lib/index.js'

const PAGE = 4096
const HUGE = 512 * PAGE

export const NAMES = ['a', 'b', 'c'] as const

interface Range {
  readonly at: number
  readonly length: number
}

export type Operation =
  | { kind: 'open'; name: string; create: boolean; exclusive: boolean; size: number; readOnly: boolean }
  | { kind: 'close'; file: number }
  | { kind: 'unlink'; name: string }
  | { kind: 'rename'; name: string; to: string }
  | { kind: 'truncate'; file: number; size: number }
  | ({ kind: 'fallocate'; file: number; mode: FallocateMode; keepSize: boolean } & Range)
  | ({
      kind: 'mmap'
      file: number
      sharing: 'shared' | 'private'
      protection: Protection
      sync: boolean
      populate: boolean
    } & Range)
  | { kind: 'unmap'; mapping: number }
  | ({ kind: 'munmap'; mapping: number } & Range)
  | ({ kind: 'mprotect'; mapping: number; protection: Protection } & Range)
  | ({ kind: 'load'; mapping: number } & Range)
  | ({ kind: 'store'; mapping: number; fill: number } & Range)
  | ({ kind: 'msync'; mapping: number; mode: 'sync' | 'async' | 'invalidate' } & Range)
  | ({ kind: 'flush'; mapping: number } & Range)
  | ({ kind: 'persist'; mapping: number } & Range)
  | { kind: 'fence' }
  | { kind: 'fsync'; file: number; data: boolean }
  | { kind: 'sync' }
  | ({ kind: 'read'; file: number } & Range)
  | ({ kind: 'write'; file: number; fill: number } & Range)
  | ({ kind: 'readInto'; file: number; mapping: number; start: number } & Range)
  | ({ kind: 'writeFrom'; file: number; mapping: number; start: number } & Range)
  | ({ kind: 'madvise'; mapping: number; advice: AdviceName } & Range)
  | { kind: 'mremap'; mapping: number; length: number; mayMove: boolean; blocked: boolean }
  | ({ kind: 'mlock'; mapping: number; lock: boolean } & Range)
  | ({ kind: 'mincore'; mapping: number } & Range)
  | ({ kind: 'copy'; file: number; target: number; to: number } & Range)
  | ({ kind: 'seek'; file: number; whence: 'data' | 'hole' } & Range)
  | { kind: 'crash'; survive: 'all' | 'none' | 'random'; seed: number }
  | { kind: 'remount' }

export type FallocateMode = 'allocate' | 'punch' | 'zero' | 'collapse' | 'insert'
export type Kind = Operation['kind']

const ADVICE: readonly AdviceName[] = [
  'dontneed',
  'dontneed',
  'dontneed',
  'remove',
  'remove',
  'populate_read',
  'populate_write',
  'populate_write',
  'nohugepage',
  'hugepage',
  'random',
  'normal',
  'willneed',
  'cold',
  'dontneed_locked',
  'free',
  'collapse',
  'hwpoison',
]

/** Offsets up to `span` bytes: mostly on and next to the borders of lines, pages and 2 MiB. */
function offsets(span: number): fc.Arbitrary<number> {
  const pages = Math.ceil(span / PAGE)
  const page = fc.nat(pages)
  const arms = [
    { weight: 4, arbitrary: page.map((number) => number * PAGE) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(page, fc.constantFrom(1, 63, 64, 65, 100, 2048, 4032, 4095))
        .map(([number, more]) => number * PAGE + more),
    },
    { weight: 1, arbitrary: fc.nat(span) },
  ]
  if (span >= HUGE) {
    const huge = fc.tuple(fc.nat(Math.floor(span / HUGE)), fc.constantFrom(0, 0, 1, -1, PAGE, -PAGE, 1024 * 1024))
    arms.push({ weight: 5, arbitrary: huge.map(([number, more]) => Math.max(0, number * HUGE + more)) })
  }
  return fc.oneof(...arms)
}

/** Lengths: short ones mostly, a few pages, and now and then everything. */
function lengths(span: number): fc.Arbitrary<number> {
  const arms = [
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 200 }) },
    { weight: 3, arbitrary: fc.constantFrom(PAGE, PAGE, 2 * PAGE, 3 * PAGE, PAGE - 1, PAGE + 1) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 4 * PAGE }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: span }) },
  ]
  if (span >= HUGE) arms.push({ weight: 1, arbitrary: fc.constantFrom(HUGE, HUGE, 2 * HUGE, HUGE - PAGE) })
  return fc.oneof(...arms)
}

interface Weighted {
  readonly weight: number
  readonly arbitrary: fc.Arbitrary<Operation>
}

const file = fc.nat(3)
const mapping = fc.nat(5)
const name = fc.constantFrom(...NAMES)
const fill = fc.integer({ min: 1, max: 255 })
const rarely = fc.nat(7).map((draw) => draw === 7)
const protection = fc.constantFrom<Protection>('rw', 'rw', 'rw', 'r', 'w', 'none')

function one<K extends Kind>(weight: number, kind: K, rest: Arbitraries<K>): Weighted {
  const arbitrary = fc.record({ kind: fc.constant(kind), ...rest }) as unknown as fc.Arbitrary<Operation>
  return { weight, arbitrary }
}

/** span: files grow to about that many bytes. */
export function operations(span: number): fc.Arbitrary<Operation> {
  return fc.oneof(...fileOperations(span), ...mappingOperations(span))
}

function fileOperations(span: number): Weighted[] {
  const at = offsets(span)
  const range = { at, length: lengths(span) }
  const mode = fc.constantFrom<FallocateMode>('allocate', 'punch', 'zero', 'collapse', 'insert')
  const create = fc.nat(3).map((n) => n > 0)
  const survive = fc.constantFrom<'none' | 'all' | 'random'>('none', 'all', 'random')
  return [
    one(6, 'open', { name, create, exclusive: rarely, size: at, readOnly: rarely }),
    one(2, 'close', { file }),
    one(1, 'unlink', { name }),
    one(1, 'rename', { name, to: name }),
    one(6, 'truncate', { file, size: at }),
    one(8, 'fallocate', { file, mode, keepSize: rarely, ...range }),
    one(2, 'fence', {}),
    one(3, 'fsync', { file, data: fc.boolean() }),
    one(1, 'sync', {}),
    one(6, 'read', { file, ...range }),
    one(10, 'write', { file, fill, ...range }),
    one(3, 'copy', { file, target: file, to: at, ...range }),
    one(2, 'seek', { file, whence: fc.constantFrom('data', 'hole'), ...range }),
    one(2, 'crash', { survive, seed: fc.nat(9) }),
    one(1, 'remount', {}),
  ]
}

function mappingOperations(span: number): Weighted[] {
  const at = offsets(span)
  const length = lengths(span)
  const range = { at, length }
  const sharing = fc.constantFrom<'shared' | 'private'>('shared', 'shared', 'private')
  const sync = fc.nat(3).map((n) => n === 3)
  const mode = fc.constantFrom<'sync' | 'async' | 'invalidate'>('sync', 'sync', 'async', 'invalidate')
  return [
    one(9, 'mmap', { file, sharing, protection, sync, populate: rarely, at, length: fc.oneof(length, at) }),
    one(2, 'unmap', { mapping }),
    one(2, 'munmap', { mapping, ...range }),
    one(4, 'mprotect', { mapping, protection, ...range }),
    one(14, 'load', { mapping, ...range }),
    one(24, 'store', { mapping, fill, ...range }),
    one(4, 'msync', { mapping, mode, ...range }),
    one(3, 'flush', { mapping, ...range }),
    one(2, 'persist', { mapping, ...range }),
    one(4, 'readInto', { file, mapping, start: at, ...range }),
    one(4, 'writeFrom', { file, mapping, start: at, ...range }),
    one(6, 'madvise', { mapping, advice: fc.constantFrom(...ADVICE), ...range }),
    one(4, 'mremap', { mapping, length: at, mayMove: fc.boolean(), blocked: fc.boolean() }),
    one(2, 'mlock', { mapping, lock: fc.boolean(), ...range }),
    one(1, 'mincore', { mapping, ...range }),
  ]
}

type Arbitraries<K extends Kind> = {
  readonly [Key in Exclude<keyof Extract<Operation, { kind: K }>, 'kind'>]: fc.Arbitrary<
    Extract<Operation, { kind: K }>[Key]
  >
}

/** One line: `store mapping 1 fill 7 at 2p length 100`. */
export function describeOperation(operation: Operation): string {
  const words: string[] = [operation.kind]
  for (const [key, value] of Object.entries(operation) as [string, unknown][]) {
    if (key === 'kind' || key === 'length') continue
    if (key === 'at' && 'length' in operation && 'at' in operation)
      words.push(`at ${bytesText(operation.at)} length ${bytesText(operation.length)}`)
    else if (typeof value === 'boolean') words.push(value ? key : `no-${key}`)
    else words.push(`${key} ${typeof value === 'number' ? bytesText(value) : String(value)}`)
  }
  if ('length' in operation && !('at' in operation)) words.push(`length ${bytesText(operation.length)}`)
  return words.join(' ')
}

/** 8192 is "2p", 8200 is "2p+8": pages are what one thinks in. */
function bytesText(value: number): string {
  if (value < PAGE) return String(value)
  const rest = value % PAGE
  return `${Math.floor(value / PAGE)}p${rest === 0 ? '' : `+${rest}`}`
}
