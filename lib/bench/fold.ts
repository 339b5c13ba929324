/** Folding a word into the hash of the work done; native/bench/bench.h has the same. */
export function fold(hash: number, word: number): number {
  return Math.imul(hash ^ word, 0x01000193)
}
