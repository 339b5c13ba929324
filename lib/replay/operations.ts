/** The operations of scenarios, with their fields, and the words that stand for bits. */

export const enum Field {
  /** A string; without it, a number. */
  Text = 1,
  Required = 2,
  Hex = 4,
  /** The name of a file. */
  Path = 8,
  Natural = 16,
  Byte = 32,
}

/** Field bits. */
export type FieldKind = number

export const BYTE_MAX = 255

type Fields = Readonly<Record<string, FieldKind>>

const NAME = Field.Text | Field.Required
const PATH = NAME | Field.Path
const NUMBER = Field.Required
const DATA: Fields = { fill: Field.Byte, hex: Field.Text | Field.Hex }
const RANGE: Fields = { map: NAME, off: NUMBER, len: NUMBER }
/** obs=0: nothing is observed after the operation. */
const COMMON: Fields = { obs: 0 }

export const OPERATIONS = {
  open: { ...COMMON, fd: NAME, path: PATH, flags: Field.Text },
  close: { ...COMMON, fd: NAME },
  fsync: { ...COMMON, fd: NAME },
  fdatasync: { ...COMMON, fd: NAME },
  unlink: { ...COMMON, path: PATH },
  rename: { ...COMMON, path: PATH, to: PATH },
  ftruncate: { ...COMMON, fd: NAME, len: NUMBER },
  fallocate: { ...COMMON, fd: NAME, mode: Field.Text, off: NUMBER, len: NUMBER },
  mmap: {
    ...COMMON,
    map: NAME,
    fd: NAME,
    off: NUMBER,
    len: NUMBER,
    prot: Field.Text,
    flags: Field.Text,
    mis: Field.Natural,
    over: Field.Text,
    at: 0,
  },
  munmap: { ...COMMON, ...RANGE },
  load: { ...COMMON, map: NAME, off: NUMBER, len: Field.Required | Field.Natural, step: Field.Natural, child: 0 },
  store: { ...COMMON, ...DATA, map: NAME, off: NUMBER, len: Field.Natural, step: Field.Natural, child: 0 },
  msync: { ...COMMON, ...RANGE, flags: Field.Text },
  mprotect: { ...COMMON, ...RANGE, prot: Field.Text },
  mlock: { ...COMMON, ...RANGE },
  munlock: { ...COMMON, ...RANGE },
  madvise: { ...COMMON, ...RANGE, advice: Field.Text, advice_raw: 0 },
  mremap: {
    ...COMMON,
    map: NAME,
    off: 0,
    oldlen: NUMBER,
    newlen: NUMBER,
    flags: Field.Text,
    to: Field.Text,
    mis: Field.Natural,
  },
  mincore: { ...COMMON, ...RANGE },
  pagemap: { ...COMMON, ...RANGE },
  pread: { ...COMMON, fd: NAME, off: NUMBER, len: Field.Required | Field.Natural },
  pwrite: { ...COMMON, ...DATA, fd: NAME, off: NUMBER, len: Field.Natural },
  read_into: { ...COMMON, fd: NAME, off: NUMBER, len: NUMBER, map: NAME, moff: 0 },
  write_from: { ...COMMON, fd: NAME, off: NUMBER, len: NUMBER, map: NAME, moff: 0 },
  seek: { ...COMMON, fd: NAME, off: NUMBER, whence: Field.Text },
  statx: { ...COMMON, fd: NAME },
  copy_range: { ...COMMON, fd: NAME, off: NUMBER, len: NUMBER, src: NAME, soff: 0 },
  clone: { ...COMMON, fd: NAME, src: NAME },
  sync: COMMON,
  drop_caches: COMMON,
  fillfs: { ...COMMON, leave: Field.Natural, again: 0 },
  freefill: COMMON,
} as const satisfies Record<string, Fields>

export type OperationName = keyof typeof OPERATIONS
