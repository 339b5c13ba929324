/** Who may do what where, for one round of the mixed workload. */
import type { Prng } from '../../prng.js'

/** Lines of its pages belong to threads in turn. */
export const STRIPED = -1

/** A run of pages of a file. */
export interface Chunk {
  readonly first: number
  readonly pages: number
  /** A thread, or STRIPED. */
  readonly owner: number
  /** The last of its file: everything behind it is past the end. */
  readonly isTail: boolean
}

export const CHUNKS_MAX = 24
/** Small, so that threads meet in them. */
const STRIPED_PAGES_MAX = 12
/** Of a file, as a number of chunks to come: the tail takes what is left. */
const CHUNKS_LIKELY = 8
const HUGE_PAGES = 512

/** Return: chunks that cover the file, in order. The same for the same draws. */
export function layoutFile(prng: Prng, pages: number, threads: number): Chunk[] {
  const chunks: Chunk[] = []
  const wanted = 1 + prng.below(CHUNKS_LIKELY + (pages > HUGE_PAGES ? CHUNKS_LIKELY : 0))
  let first = 0
  while (chunks.length < wanted && first < pages - 1) {
    const striped = prng.chance(0.35)
    const most = Math.max(1, Math.floor((pages - first) / (striped ? 2 : 1.5)))
    const count = 1 + prng.below(striped ? Math.min(STRIPED_PAGES_MAX, most) : most)
    if (first + count >= pages) break
    chunks.push({ first, pages: count, owner: striped ? STRIPED : prng.below(threads), isTail: false })
    first += count
  }
  chunks.push({ first, pages: pages - first, owner: prng.below(threads), isTail: true })
  return chunks
}

/** Which thread may store to a 64-byte line of a striped chunk. */
export function stripeOwner(line: number, threads: number): number {
  return line % threads
}
