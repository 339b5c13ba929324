/**
 * The name of an image: 128 bits, kept up to date line by line.
 *
 * Each changed line contributes a hash of its place and its content, and the image is the XOR of the contributions
 * (Zobrist's way): changing one line costs one line. The numbers depend on nothing but place and content, so two
 * processes that explore the same program call the same image by the same name, which is what lets shards divide the
 * images among them. 64 of the bits find an image in the table, the other 64 tell it from one that has the same first
 * 64: such a collision is found and both images are kept.
 */
import { Page } from '../constants.js'

/** Words of one name. */
export const NAME_WORDS = 4
export const LINE_WORDS = Page.LineSize / 4

const LANE_SEEDS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const

/** Hash of a line's content at its place, into `into[at .. at + 3]`. words[from .. from + 15]: the content. */
export function hashLine(
  file: number,
  lineNumber: number,
  words: Int32Array,
  from: number,
  into: Int32Array,
  at: number,
): void {
  for (let lane = 0; lane < NAME_WORDS; lane++) {
    const seed = LANE_SEEDS[lane] as number
    let hash = mix(seed ^ Math.imul(file + 1, 0x2545f491)) ^ mix(lineNumber | 0)
    hash = mix(hash + Math.floor(lineNumber / 2 ** 32) + seed)
    for (let i = 0; i < LINE_WORDS; i++) {
      hash = Math.imul(hash ^ Math.imul(words[from + i] as number, seed), 0x5bd1e995)
      hash = (hash << 13) | (hash >>> 19)
    }
    into[at + lane] = mix(hash)
  }
}

/** A bijection of 32-bit words in which every input bit reaches every output bit. */
function mix(value: number): number {
  let word = value | 0
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b)
  return word ^ (word >>> 16)
}
