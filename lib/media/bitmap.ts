/**
 * Bit arrays in shared words: bit `i` is bit i % 32 of word `base` + i / 32.
 *
 * Plain accesses: the caller holds the lock that guards the array. Ranges are [first, end), not empty.
 */
import type { SharedWords } from '../sync/shared-words.js'

/** Return: the words an array of `bits` bits takes. */
export function bitmapWords(bits: number): number {
  return Math.ceil(bits / 32)
}

export function testBit(words: SharedWords, base: number, bit: number): boolean {
  return ((words.get(base + (bit >>> 5)) >>> (bit & 31)) & 1) !== 0
}

export function setBits(words: SharedWords, base: number, first: number, end: number): void {
  for (let from = first; from < end; from = nextWord(from)) {
    const at = base + (from >>> 5)
    words.set(at, words.get(at) | maskOf(from, end))
  }
}

export function clearBits(words: SharedWords, base: number, first: number, end: number): void {
  for (let from = first; from < end; from = nextWord(from)) {
    const at = base + (from >>> 5)
    words.set(at, words.get(at) & ~maskOf(from, end))
  }
}

/** Return: how many bits of the range are set. */
export function countBits(words: SharedWords, base: number, first: number, end: number): number {
  let count = 0
  for (let from = first; from < end; from = nextWord(from)) {
    count += ones(words.get(base + (from >>> 5)) & maskOf(from, end))
  }
  return count
}

/** Return: the first clear bit of the range, or -1. */
export function firstClearBit(words: SharedWords, base: number, first: number, end: number): number {
  for (let from = first; from < end; from = nextWord(from)) {
    const clear = ~words.get(base + (from >>> 5)) & maskOf(from, end)
    if (clear !== 0) return from - (from & 31) + 31 - Math.clz32(clear & -clear)
  }
  return -1
}

function nextWord(bit: number): number {
  return bit - (bit & 31) + 32
}

/** Return: the bits of [from, end) that share a word with `from`. */
function maskOf(from: number, end: number): number {
  const upTo = end >= nextWord(from) ? -1 : (1 << (end & 31)) - 1
  return upTo & (-1 << (from & 31))
}

function ones(word: number): number {
  let count = word - ((word >>> 1) & 0x55555555)
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333)
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
