/**
 * xoshiro128**: a small seeded generator of 32-bit words (Blackman and Vigna, public domain algorithm).
 *
 * A seed printed by a failing test or given to `crash({ seed })` must replay for ever, so the sequence is part of the
 * interface: golden outputs are in test/unit/prng.test.ts. Not for secrets. One object per thread; nothing is shared.
 */
import { assert } from './assert.js'

const TWO_POW_32 = 2 ** 32
/** Golden ratio of 32 bits: the step of the seeding sequence. */
const SEED_STEP = 0x9e3779b9

export class Prng {
  #s0: number
  #s1: number
  #s2: number
  #s3: number

  /** seed: any safe integer; both halves count. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), 'a seed is a safe integer', { seed })
    const high = Math.floor(seed / TWO_POW_32) | 0
    // Four steps of a counter through a bijective mixer: the words are distinct, hence never all zero.
    const start = (seed | 0) ^ mix(high)
    this.#s0 = mix(start + SEED_STEP)
    this.#s1 = mix(start + 2 * SEED_STEP)
    this.#s2 = mix(start + 3 * SEED_STEP)
    this.#s3 = mix(start + 4 * SEED_STEP)
  }

  /** A generator in exactly this state, which must not be all zero: for comparing with other implementations. */
  static fromState(s0: number, s1: number, s2: number, s3: number): Prng {
    assert((s0 | s1 | s2 | s3) !== 0, 'the all-zero state never leaves zero')
    const prng = new Prng(0)
    prng.#s0 = s0 | 0
    prng.#s1 = s1 | 0
    prng.#s2 = s2 | 0
    prng.#s3 = s3 | 0
    return prng
  }

  /** Return: the next word, 0 .. 2^32-1. */
  next(): number {
    const s1 = this.#s1
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9)
    this.#s2 ^= this.#s0
    this.#s3 ^= s1
    this.#s1 ^= this.#s2
    this.#s0 ^= this.#s3
    this.#s2 ^= s1 << 9
    this.#s3 = rotateLeft(this.#s3, 11)
    return result >>> 0
  }

  /**
   * Return: a uniform integer in 0 .. bound-1; bound is 1 .. 2^32.
   * Words past the last whole multiple of `bound` are drawn again: fewer than two draws on average.
   */
  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= TWO_POW_32, 'bound is 1 .. 2^32', { bound })
    const limit = TWO_POW_32 - (TWO_POW_32 % bound)
    let word = this.next()
    while (word >= limit) word = this.next()
    return word % bound
  }

  /** Return: true with this probability (0 .. 1). */
  chance(probability: number): boolean {
    return this.next() < probability * TWO_POW_32
  }

  /** Shuffle in place (Fisher and Yates). Return: the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const item = items[last] as T
      items[last] = items[other] as T
      items[other] = item
    }
    return items
  }
}

function rotateLeft(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count))
}

/** A bijection of 32-bit words in which every input bit reaches every output bit. */
function mix(value: number): number {
  let word = value | 0
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}
