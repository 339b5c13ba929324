/**
 * Numbers up to 2^53 in two words (low, high): addresses, sizes, file offsets.
 *
 * Neither form is atomic as a whole: the caller holds the lock that guards the pair, or a seqlock around it.
 */
import type { SharedWords } from './shared-words.js'

const HIGH = 0x1_0000_0000

export function getNumber(words: SharedWords, at: number): number {
  return (words.get(at) >>> 0) + words.get(at + 1) * HIGH
}

export function setNumber(words: SharedWords, at: number, value: number): void {
  words.set(at, (value % HIGH) | 0)
  words.set(at + 1, Math.floor(value / HIGH))
}

export function loadNumber(words: SharedWords, at: number): number {
  return (words.load(at) >>> 0) + words.load(at + 1) * HIGH
}

export function storeNumber(words: SharedWords, at: number, value: number): void {
  words.store(at, (value % HIGH) | 0)
  words.store(at + 1, Math.floor(value / HIGH))
}
