/**
 * After fsx (generic/075, 127, 263, 363, 521 and others): each thread runs random calls on a file of its own and
 * keeps an exact model of it, a byte array. Everything read is compared, by read(2) and through the mapping; the
 * whole file at the end of each round, after each open, and after each remount.
 *
 * Every call is drawn from the seed, so a mismatch comes back with the same command: the threads share the pool, the
 * fault workers and the page frames, and nothing else.
 */
import { Mismatch, expectSame } from '../mismatch.js'
import { Operation } from '../operations.js'
import type { Stage } from '../stage.js'
import { FsxFile } from './fsx-file.js'

const ROUNDS = 40
const CALLS = 250
/** Rounds between remounts. */
const REMOUNT_EVERY = 8

export function fsx(stage: Stage): void {
  stage.enter()
  const name = `fsx-${stage.thread}`
  let file = new FsxFile(stage, name)
  for (let more = true; more;) {
    const prng = stage.roundPrng()
    for (let call = 0; call < CALLS; call++) file.step(prng)
    file.checkAll(`round ${stage.round}`)
    more = stage.again(ROUNDS)
    if (more && stage.round % REMOUNT_EVERY === 0) {
      file.close()
      stage.leave()
      stage.enter()
      file = new FsxFile(stage, name, file)
      file.checkAll('after a remount')
    }
  }
  file.close()
  stage.leave()
  afterwards(stage, name, file)
  stage.discard()
}

/** What the final close has written back is all there. */
function afterwards(stage: Stage, name: string, file: FsxFile): void {
  stage.enter()
  stage.op(Operation.Open, stage.thread, 0, 0)
  using again = stage.pmem.open(name)
  if (again.size !== file.size) throw new Mismatch(`${name}: ${again.size} bytes after a remount, not ${file.size}`)
  const bytes = new Uint8Array(file.size)
  stage.op(Operation.Read, stage.thread, 0, bytes.length)
  again.read(bytes, 0)
  expectSame(bytes, file.contents, 0, () => `${name} after the last close`)
  again.close()
  stage.leave()
}
