/**
 * After xfstests' holetest (generic/340, 344, 345, 346, 354; B1, S0.14): threads store their own 8-byte ids into
 * each page of a file at the same time, so that every page is faulted by all of them at once. In the end every id is
 * where it was put: a fault that lost the race must not have zeroed what the winner's thread stored.
 *
 *   kind      a hole; blocks allocated by fallocate; blocks written with zeroes
 *   -w        every second thread writes with pwrite(2) instead of storing
 *   -r        all pages are loaded from first, so that the stores find zero pages mapped
 *   -p        MAP_PRIVATE: all threads share one private mapping; the file itself stays zero
 *   size      1 MiB to 4 MiB, and 16 MiB now and then
 *
 * -F (processes instead of threads) needs mappings of other processes, which there are not yet; -f changes only what
 * the original prints.
 */
import { Mismatch } from '../mismatch.js'
import { Operation } from '../operations.js'
import { SharedView } from '../shared-view.js'
import type { Stage } from '../stage.js'
import { Target } from '../target.js'

const PAGE = 4096
const MIB = 2 ** 20
const ROUNDS = 24
const IDS_PER_PAGE = PAGE / 8

interface Variant {
  readonly kind: 'hole' | 'allocated' | 'zeroed'
  readonly someWrite: boolean
  readonly preload: boolean
  readonly isPrivate: boolean
  readonly bytes: number
}

export function holetest(stage: Stage): void {
  stage.enter()
  do {
    round(stage, variantOf(stage))
  } while (stage.again(ROUNDS))
  stage.leave()
  stage.discard()
}

/** The same in all threads. Every combination of kind and flags comes once in 24 rounds. */
function variantOf(stage: Stage): Variant {
  const prng = stage.prng(stage.round)
  const number = stage.round % 24
  return {
    kind: (['hole', 'allocated', 'zeroed'] as const)[number % 3] ?? 'hole',
    someWrite: (number / 3) % 2 >= 1,
    preload: (number / 6) % 2 >= 1,
    isPrivate: number >= 12,
    bytes: prng.below(12) === 0 ? 16 * MIB : MIB << prng.below(3),
  }
}

function round(stage: Stage, variant: Variant): void {
  const name = `holes-${stage.round}`
  if (stage.isLeader) makeFile(stage, name, variant)
  stage.barrier()
  const target = new Target(stage, 0, name)
  const view = new SharedView(stage, target, {
    length: variant.bytes,
    sharing: variant.isPrivate ? 'private' : 'shared',
  })
  const words = new Float64Array(view.buffer)
  const pages = variant.bytes / PAGE
  if (variant.preload) {
    for (let page = stage.thread; page < pages; page += stage.threads) load(stage, words, page * IDS_PER_PAGE, 0)
  }
  stage.barrier()
  const writes = variant.someWrite && stage.thread % 2 === 1
  putIds(stage, target, words, pages, writes)
  stage.barrier()
  checkIds(stage, target, words, pages, variant)
  stage.barrier()
  view.release()
  target.close()
  stage.barrier()
  if (stage.isLeader) stage.pmem.unlink(name)
}

function makeFile(stage: Stage, name: string, variant: Variant): void {
  const target = new Target(stage, 0, name, { create: true, size: variant.bytes, maxSize: variant.bytes })
  if (variant.kind === 'allocated') target.fallocate('allocate', 0, variant.bytes)
  if (variant.kind === 'zeroed') {
    const zeroes = new Uint8Array(MIB)
    for (let at = 0; at < variant.bytes; at += MIB) target.write(zeroes, at)
  }
  target.close()
}

/** Never 0, and different in every page: threads have their own word in each. */
function idOf(thread: number, page: number): number {
  return (thread + 1) * 2 ** 32 + page + 1
}

function putIds(stage: Stage, target: Target, words: Float64Array, pages: number, writes: boolean): void {
  const id = new Float64Array(1)
  const bytes = new Uint8Array(id.buffer)
  for (let page = 0; page < pages; page++) {
    const at = page * IDS_PER_PAGE + stage.thread
    id[0] = idOf(stage.thread, page)
    if (writes) {
      target.write(bytes, at * 8)
    } else {
      stage.op(Operation.Store, 0, at * 8, 8)
      words[at] = id[0]
    }
  }
}

/** Each thread looks at a share of the pages: at all ids, through the mapping and in the file. */
function checkIds(stage: Stage, target: Target, words: Float64Array, pages: number, variant: Variant): void {
  const inFile = new Float64Array(IDS_PER_PAGE)
  for (let page = stage.thread; page < pages; page += stage.threads) {
    target.read(new Uint8Array(inFile.buffer), page * PAGE)
    for (let word = 0; word < IDS_PER_PAGE; word++) {
      const wrote = variant.someWrite && word % 2 === 1
      const id = word < stage.threads ? idOf(word, page) : 0
      // A private store stays in the mapping; a write goes to the file, and shows unless the page is a copy by then.
      const fileId = variant.isPrivate && !wrote ? 0 : id
      if (inFile[word] !== fileId) fail(page, word, inFile[word] as number, fileId, 'the file')
      if (word >= stage.threads) continue
      if (variant.isPrivate && wrote) continue
      load(stage, words, page * IDS_PER_PAGE + word, id)
    }
  }
}

function load(stage: Stage, words: Float64Array, at: number, expected: number): void {
  stage.op(Operation.Load, 0, at * 8, 8)
  const value = words[at] as number
  if (value !== expected) fail(Math.floor(at / IDS_PER_PAGE), at % IDS_PER_PAGE, value, expected, 'the mapping')
}

function fail(page: number, word: number, actual: number, expected: number, where: string): never {
  throw new Mismatch(`page ${page}, word ${word} of ${where} is ${actual} and must be ${expected}`)
}
