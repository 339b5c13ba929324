/**
 * After the storm of t_mmap_stale_pmd (generic/428; B18): what write(2) puts into a hole must be seen by every
 * mapping that has the hole's 2 MiB zero page mapped, and by no mapping before.
 *
 * The file is 4 MiB of hole. Each thread maps the second half and loads from it, so that a huge zero page is there;
 * the leader writes a word; as soon as it has said so, everybody loads the new word. The others go on loading while the
 * leader writes: what they see is the word of this step or of the one before, never anything older or torn.
 */
import { Mismatch } from '../mismatch.js'
import { Operation } from '../operations.js'
import { SharedCount } from '../shared-count.js'
import type { Stage } from '../stage.js'
import { type MappedTarget, Target } from '../target.js'

const HALF = 2 * 2 ** 20
const ROUNDS = 60
const WORDS = HALF / 8
/** Loads of each thread while the leader writes. */
const LOADS = 60

export function stalePmd(stage: Stage): void {
  stage.enter()
  const written = new SharedCount(stage.share(() => SharedCount.make()))
  if (stage.isLeader) new Target(stage, 0, 'hole', { create: true, size: 2 * HALF }).close()
  stage.barrier()
  const target = new Target(stage, 0, 'hole')
  let step = 0
  do {
    step = round(stage, target, written, step)
  } while (stage.again(ROUNDS))
  target.close()
  stage.leave()
  stage.discard()
}

function round(stage: Stage, target: Target, written: SharedCount, before: number): number {
  // The same in all threads: where the leader writes.
  const prng = stage.prng(stage.round)
  let step = before
  const map = target.mmap({ offset: HALF, length: HALF, protection: stage.thread % 2 === 0 ? 'r' : 'rw' })
  for (let place = 0; place < 8; place++) {
    const word = prng.below(WORDS)
    load(stage, map, word, 0, 0)
    stage.barrier()
    for (let i = 0; i < 4; i++) {
      step++
      if (stage.isLeader) {
        target.write(new Uint8Array(Float64Array.of(step).buffer), HALF + word * 8)
        written.store(step)
      } else {
        race(stage, map, word, i === 0 ? 0 : step - 1, step, written)
      }
      stage.barrier()
      load(stage, map, word, step, step)
      stage.barrier()
    }
    if (stage.isLeader) target.fallocate('punch', HALF, HALF)
    stage.barrier()
  }
  map.unmap()
  return step
}

function race(stage: Stage, map: MappedTarget, word: number, old: number, step: number, written: SharedCount): void {
  for (let i = 0; i < LOADS; i++) {
    const least = written.load() === step ? step : old
    load(stage, map, word, least, step)
    if (least === step) return
  }
}

function load(stage: Stage, map: MappedTarget, word: number, least: number, most: number): void {
  stage.op(Operation.Load, 0, HALF + word * 8, 8)
  const value = map.doubles[word] as number
  if (value === least || value === most) return
  throw new Mismatch(`word ${word} of the second half is ${value} and must be ${least} or ${most}`)
}
