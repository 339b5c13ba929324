/**
 * After the storm of t_mmap_cow_race (generic/437; B19): in the same 2 MiB of one mapping, shared or private, one
 * thread loads where it never stores (a 2 MiB fault is tried), another one stores (4 KiB, in a private mapping a
 * copy), and between the steps madvise(MADV_DONTNEED) drops it all.
 *
 * Each thread has words of its own, a page apart from those of the others or in the same page. A store is seen by its
 * thread until the advice, afterwards the file is seen: with the store when the mapping is shared, without it when
 * it is private. In rounds with a wild advice the leader gives it in the middle of the stores of the others; a
 * private store may be gone then, but nothing else may appear.
 */
import type { Prng } from '../../prng.js'
import { Mismatch } from '../mismatch.js'
import { Operation } from '../operations.js'
import { SharedView } from '../shared-view.js'
import type { Stage } from '../stage.js'
import { Target } from '../target.js'

const PAGE = 4096
const BYTES = 4 * 2 ** 20
const PAGES = BYTES / PAGE
const WORDS_PER_PAGE = PAGE / 8
const ROUNDS = 40
const STEPS = 30
/** Of each thread in a step. */
const TOUCHES = 6

interface Race {
  readonly stage: Stage
  readonly words: Float64Array
  readonly isPrivate: boolean
  readonly wild: boolean
  /** What the file has in this thread's words, by index. */
  readonly inFile: Map<number, number>
}

export function cowRace(stage: Stage): void {
  stage.enter()
  do {
    round(stage)
  } while (stage.again(ROUNDS))
  stage.leave()
  stage.discard()
}

function round(stage: Stage): void {
  const isPrivate = stage.round % 2 === 1
  const wild = stage.round % 4 >= 2
  const name = `race-${stage.round}`
  if (stage.isLeader) {
    const target = new Target(stage, 0, name, { create: true, size: BYTES, maxSize: BYTES })
    if (stage.round % 3 === 1) target.fallocate('allocate', 0, BYTES)
    if (stage.round % 3 === 2) target.write(new Uint8Array(BYTES), 0)
    target.close()
  }
  stage.barrier()
  const target = new Target(stage, 0, name)
  const view = new SharedView(stage, target, { length: BYTES, sharing: isPrivate ? 'private' : 'shared' })
  const race: Race = { stage, words: new Float64Array(view.buffer), isPrivate, wild, inFile: new Map() }
  const prng = stage.roundPrng()
  for (let step = 0; step < STEPS; step++) {
    stage.barrier()
    if (wild && stage.isLeader) {
      for (let i = 0; i < 3; i++) view.owner?.advise('dontneed', 0, BYTES)
    }
    const stored = touch(race, prng, step)
    stage.barrier()
    if (stage.isLeader) view.owner?.advise('dontneed', 0, BYTES)
    stage.barrier()
    for (const word of stored) load(race, word, race.inFile.get(word) ?? 0, undefined)
  }
  view.release()
  target.close()
  stage.barrier()
  if (stage.isLeader) stage.pmem.unlink(name)
}

/** Return: the words stored to. */
function touch(race: Race, prng: Prng, step: number): number[] {
  const { stage } = race
  const stored: number[] = []
  for (let i = 0; i < TOUCHES; i++) {
    // In a few pages threads meet; over the whole file they share 2 MiB only.
    const page = prng.chance(0.5) ? prng.below(4) : prng.below(PAGES)
    if (prng.chance(0.4)) {
      // Nobody's word: zero for ever.
      load(race, page * WORDS_PER_PAGE + WORDS_PER_PAGE - 1, 0, undefined)
      continue
    }
    const word = page * WORDS_PER_PAGE + stage.thread
    const value = (stage.thread + 1) * 2 ** 40 + step * 2 ** 20 + page + 1
    const before = race.inFile.get(word) ?? 0
    stage.op(Operation.Store, 0, word * 8, 8)
    race.words[word] = value
    if (!race.isPrivate) race.inFile.set(word, value)
    load(race, word, value, race.wild && race.isPrivate ? before : undefined)
    stored.push(word)
  }
  return stored
}

function load(race: Race, word: number, expected: number, or: number | undefined): void {
  race.stage.op(Operation.Load, 0, word * 8, 8)
  const value = race.words[word] as number
  if (value === expected || value === or) return
  const sharing = race.isPrivate ? 'private' : 'shared'
  const place = `page ${Math.floor(word / WORDS_PER_PAGE)}, word ${word % WORDS_PER_PAGE}`
  throw new Mismatch(`${place} of the ${sharing} mapping is ${value} and must be ${expected} or ${or ?? expected}`)
}
