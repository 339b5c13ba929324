/**
 * Small programs whose crash images were counted by hand: the mistakes that studies of persistent programs keep
 * finding, each with its correct form. `unique` counts distinct images, `bad` those that fail their check at a moment
 * that can leave them.
 */
import type { Region } from '../../lib/index.js'

export interface Pattern {
  readonly name: string
  setup?(pool: Region): void
  program(pool: Region): void
  check(image: Buffer, acknowledged: ReadonlySet<string>): boolean
  readonly unique: number
  readonly bad: number
}

const DONE = 'done'
const FLAG = 64
const NODE = 128

function word(image: Buffer, at: number): bigint {
  return image.readBigUInt64LE(at)
}

/** If the flag says so the two words of data are there; when done was told, the flag says so. */
function flagged(flag: number) {
  return (image: Buffer, acknowledged: ReadonlySet<string>): boolean => {
    if (acknowledged.has(DONE) && word(image, flag) !== 1n) return false
    return word(image, flag) === 0n || (word(image, 0) === 0x1111n && word(image, 8) === 0x2222n)
  }
}

function storeData(pool: Region): void {
  pool.store64(0, 0x1111)
  pool.store64(8, 0x2222)
}

function persistWord(pool: Region, at: number, value: number): void {
  pool.store64(at, value)
  pool.persist(at, 8)
}

function byte(pool: Region, at: number, value: number): void {
  pool.store8(at, value)
  pool.persist(at, 1)
}

function pointerLeadsTo(value: bigint) {
  return (image: Buffer, acknowledged: ReadonlySet<string>): boolean => {
    const pointer = word(image, 0)
    if (pointer === 0n) return !acknowledged.has(DONE)
    return pointer === BigInt(NODE) && word(image, NODE) === value
  }
}

/** A list from the word at 0; nodes are a key and the next node. The old one is at 512. */
function listIs(image: Buffer, ...allowed: readonly string[]): boolean {
  const keys: bigint[] = []
  for (let node = Number(word(image, 0)); node !== 0 && keys.length < 4; node = Number(word(image, node + 8))) {
    keys.push(word(image, node))
  }
  return allowed.includes(keys.join())
}

function oldList(pool: Region): void {
  pool.store64(0, 512)
  pool.store64(512, 7)
}

function filled(image: Buffer, at: number, value: number): boolean {
  return image.subarray(at, at + 16).every((each) => each === value)
}

/** Is the token in exactly one of two places, or a record tells that it is moving? */
function oneToken(image: Buffer): boolean {
  return word(image, 264) === 1n || Number(image[8] === 1) + Number(image[136] === 1) === 1
}

function tokenAtHome(pool: Region): void {
  pool.store8(0, 5)
  pool.store8(8, 1)
}

function moveToken(pool: Region): void {
  persistWord(pool, NODE, 5)
  byte(pool, NODE + 8, 1)
  byte(pool, 8, 0)
}

function countMatches(image: Buffer): boolean {
  return word(image, FLAG) === 1n || word(image, 0) === (word(image, NODE) === 0n ? 0n : 1n)
}

function insertCounted(pool: Region, persistDirty: boolean): void {
  pool.store64(FLAG, 1)
  if (persistDirty) pool.persist(FLAG, 8)
  persistWord(pool, NODE, 5)
  persistWord(pool, 0, 1)
  persistWord(pool, FLAG, 0)
  pool.acknowledged(DONE)
}

export const patterns: readonly Pattern[] = [
  {
    name: 'data and commit flag under one fence',
    program(pool) {
      storeData(pool)
      pool.store64(FLAG, 1)
      pool.flush(0, 64)
      pool.flush(FLAG, 64)
      pool.fence()
      pool.acknowledged(DONE)
    },
    check: flagged(FLAG),
    unique: 6,
    bad: 2,
  },
  {
    name: 'data, fence, commit flag',
    program(pool) {
      storeData(pool)
      pool.persist(0, 64)
      persistWord(pool, FLAG, 1)
      pool.acknowledged(DONE)
    },
    check: flagged(FLAG),
    unique: 4,
    bad: 0,
  },
  {
    name: 'flag before its data in one line',
    program(pool) {
      pool.store64(16, 1)
      storeData(pool)
      pool.persist(0, 64)
      pool.acknowledged(DONE)
    },
    check: flagged(16),
    unique: 4,
    bad: 2,
  },
  {
    name: 'flag after its data in one line, without a flush between: legal',
    program(pool) {
      storeData(pool)
      pool.store64(16, 1)
      pool.persist(0, 64)
      pool.acknowledged(DONE)
    },
    check: flagged(16),
    unique: 4,
    bad: 0,
  },
  {
    name: '16 bytes overwritten in place',
    setup: (pool) => pool.store(0, Buffer.alloc(16, 0x41)),
    program(pool) {
      pool.store(0, Buffer.alloc(16, 0x42))
      pool.persist(0, 64)
    },
    check: (image) => filled(image, 0, 0x41) || filled(image, 0, 0x42),
    unique: 3,
    bad: 1,
  },
  {
    name: '16 bytes written aside, then switched to',
    setup: (pool) => pool.store(0, Buffer.alloc(16, 0x41)),
    program(pool) {
      pool.store(NODE, Buffer.alloc(16, 0x42))
      pool.persist(NODE, 64)
      persistWord(pool, FLAG, 1)
    },
    check: (image) => (word(image, FLAG) === 0n ? filled(image, 0, 0x41) : filled(image, NODE, 0x42)),
    unique: 4,
    bad: 0,
  },
  {
    name: 'the wrong line flushed',
    program(pool) {
      pool.store64(NODE, 0xabcd)
      pool.persist(NODE + 64, 64)
      persistWord(pool, 0, NODE)
      pool.acknowledged(DONE)
    },
    check: pointerLeadsTo(0xabcdn),
    unique: 4,
    bad: 1,
  },
  {
    name: 'the right line flushed',
    program(pool) {
      pool.store64(NODE, 0xabcd)
      pool.persist(NODE, 64)
      persistWord(pool, 0, NODE)
      pool.acknowledged(DONE)
    },
    check: pointerLeadsTo(0xabcdn),
    unique: 3,
    bad: 0,
  },
  {
    name: 'a list head published before its node is fenced',
    setup: oldList,
    program(pool) {
      pool.store64(NODE, 9)
      pool.store64(NODE + 8, 512)
      pool.flush(NODE, 64)
      pool.store64(0, NODE)
      pool.flush(0, 64)
      pool.fence()
    },
    check: (image) => listIs(image, '7', '9,7'),
    unique: 6,
    bad: 2,
  },
  {
    name: 'a list head published after its node is fenced',
    setup: oldList,
    program(pool) {
      pool.store64(NODE, 9)
      pool.store64(NODE + 8, 512)
      pool.persist(NODE, 64)
      persistWord(pool, 0, NODE)
    },
    check: (image) => listIs(image, '7', '9,7'),
    unique: 4,
    bad: 0,
  },
  {
    name: 'a dirty flag not persisted first',
    program: (pool) => insertCounted(pool, false),
    check: countMatches,
    unique: 6,
    bad: 1,
  },
  {
    name: 'a dirty flag persisted first',
    program: (pool) => insertCounted(pool, true),
    check: countMatches,
    unique: 5,
    bad: 0,
  },
  {
    name: 'a token moved in two steps',
    setup: tokenAtHome,
    program: moveToken,
    check: oneToken,
    unique: 4,
    bad: 1,
  },
  {
    name: 'a token moved under a record',
    setup: tokenAtHome,
    program(pool) {
      persistWord(pool, 256, 5)
      persistWord(pool, 264, 1)
      moveToken(pool)
      persistWord(pool, 264, 0)
    },
    check: oneToken,
    unique: 7,
    bad: 0,
  },
  {
    name: 'a flush before its store',
    program(pool) {
      pool.persist(0, 64)
      pool.store64(0, 3)
      persistWord(pool, FLAG, 1)
      pool.acknowledged(DONE)
    },
    check: (image, acknowledged) => (word(image, FLAG) === 0n ? !acknowledged.has(DONE) : word(image, 0) === 3n),
    unique: 4,
    bad: 1,
  },
  {
    name: 'a flush after its store',
    program(pool) {
      persistWord(pool, 0, 3)
      persistWord(pool, FLAG, 1)
      pool.acknowledged(DONE)
    },
    check: (image, acknowledged) => (word(image, FLAG) === 0n ? !acknowledged.has(DONE) : word(image, 0) === 3n),
    unique: 3,
    bad: 0,
  },
]
