/**
 * The general storm: all threads do everything to the same files at the same time, and every byte has a shadow.
 *
 * In each round every file is cut into chunks, which the seed gives to threads (mixed-layout.ts):
 *
 *   owned     one thread does there whatever it likes: loads, stores, read, write, punch, zero, allocate, private
 *             copies, copies; in the last chunk of a file also truncate, collapse and insert. Its own loads must
 *             give the shadow, byte for byte. Others load there too, and must see the shadow unless the owner was
 *             just changing it
 *   striped   the lines of each page belong to threads in turn, so that stores of different threads meet in one page.
 *             A word says where it belongs and how often it was stored; whoever loads it must see a value between
 *             the one known to be stored before the load and the one known to be on its way after it
 *
 * Syncs, flushes and advice go to any chunk. At the end of a round nobody works and each file is compared as a
 * whole; now and then the power fails (mixed-crash.ts); at the end of a session the pool is mounted again and compared.
 */
import { expectSame } from '../mismatch.js'
import type { Stage } from '../stage.js'
import { Target } from '../target.js'
import { MixedActor } from './mixed-actor.js'
import { losePowerAndCheck } from './mixed-crash.js'
import { MixedFile, type MixedMemory } from './mixed-file.js'
import { layoutFile } from './mixed-layout.js'

const ROUNDS = 60
/** Of each thread in a round. */
const STEPS = 600
const CRASH_CHANCE = 0.2
const SIZES = [12, 96, 600, 1300] as const

export function mixed(stage: Stage): void {
  stage.enter()
  const sizes = Array.from({ length: stage.files }, (_, i) => SIZES[i % SIZES.length] ?? 96)
  const memory = stage.share((): MixedMemory[] => sizes.map((pages) => MixedFile.makeMemory(pages)))
  if (stage.isLeader) {
    sizes.forEach((pages, i) => new Target(stage, i, nameOf(i), { create: true, size: pages * 4096 }).close())
  }
  stage.barrier()
  const files = sizes.map((pages, i) => new MixedFile(stage, i, nameOf(i), pages, memory[i] as MixedMemory))
  do {
    files.forEach((file, i) => file.begin(layoutFile(stage.prng(stage.round, 1000 + i), file.pages, stage.threads)))
    stage.barrier()
    const actor = new MixedActor(stage, files, stage.roundPrng())
    for (let step = 0; step < STEPS; step++) actor.step()
    stage.barrier()
    compare(stage, files, 'at the end of the round')
    // The same in all threads.
    const prng = stage.prng(stage.round, 999)
    if (prng.chance(CRASH_CHANCE)) {
      losePowerAndCheck(stage, files, prng)
      compare(stage, files, 'after the power failure')
    }
  } while (stage.again(ROUNDS))
  for (const file of files) file.close()
  stage.leave()
  compareAfterwards(stage, files)
  stage.discard()
}

function nameOf(file: number): string {
  return `mixed-${file}`
}

/** Context: nobody works. Each thread compares its share of the files with their shadows, by read and mapped. */
function compare(stage: Stage, files: readonly MixedFile[], when: string): void {
  for (let i = (stage.thread + stage.round) % stage.threads; i < files.length; i += stage.threads) {
    files[i]?.compareAll(when, stage.round % 4 === 0)
  }
  stage.barrier()
}

/** What the last close has written back. */
function compareAfterwards(stage: Stage, files: readonly MixedFile[]): void {
  stage.enter()
  for (let i = stage.thread; i < files.length; i += stage.threads) {
    const { shadow } = files[i] as MixedFile
    const target = new Target(stage, i, nameOf(i))
    const bytes = new Uint8Array(shadow.length)
    target.read(bytes, 0)
    expectSame(bytes, shadow, 0, () => `${nameOf(i)} after the last close`)
    target.close()
  }
  stage.leave()
}
