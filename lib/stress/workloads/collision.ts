/**
 * After the storm of t_mmap_collision (generic/503; B44): every other thread reads from a source file into its own
 * pages of one mapped file, while the leader punches, zeroes, collapses or truncates that file under it. The kernel
 * copies into pages that are leaving the file.
 *
 *   punch, zero           every read must succeed: the file always has the page
 *   collapse, truncate    a read may fail with EFAULT, the page being past the end for a moment
 *   always                a word of the target is zero or the source's pattern, whatever happened to it; no word of the
 *                         bystander changes, a file whose blocks are those that the target gives back again and again
 */
import { PmemError } from '../../errors.js'
import { Mismatch, expectSame } from '../mismatch.js'
import { Operation } from '../operations.js'
import { SharedCount } from '../shared-count.js'
import type { Stage } from '../stage.js'
import { type MappedTarget, Target, filled } from '../target.js'

const PAGE = 4096
/** Of the target, for each reading thread. */
const PAGES_EACH = 2
const ROUNDS = 40
const CHANGES = 40
const MODES = ['punch', 'zero', 'collapse', 'truncate'] as const
const BYSTANDER_PAGES = 64
/** The source, four bytes at a time. */
const PATTERN = [0x5e, 0xed, 0xbe, 0xa7] as const

type Mode = (typeof MODES)[number]

export function collision(stage: Stage): void {
  stage.enter()
  const changed = new SharedCount(stage.share(() => SharedCount.make()))
  const bytes = stage.threads * PAGES_EACH * PAGE
  if (stage.isLeader) {
    const source = new Target(stage, 0, 'source', { create: true })
    source.write(
      Uint8Array.from({ length: PAGES_EACH * PAGE * 16 }, (_, i) => PATTERN[i % 4] as number),
      0,
    )
    source.close()
    new Target(stage, 1, 'target', { create: true, size: bytes }).close()
    new Target(stage, 2, 'bystander', { create: true, size: BYSTANDER_PAGES * PAGE }).close()
  }
  stage.barrier()
  const source = new Target(stage, 0, 'source')
  const target = new Target(stage, 1, 'target')
  const bystander = new Target(stage, 2, 'bystander')
  const map = target.mmap({ length: bytes })
  do {
    const mode = MODES[stage.round % MODES.length] ?? 'punch'
    changed.store(0)
    stage.barrier()
    if (stage.isLeader) change(stage, target, bystander, mode, bytes, changed)
    else readIn(stage, source, map, mode, changed)
    stage.barrier()
    if (stage.isLeader) checkTarget(target, bytes)
  } while (stage.again(ROUNDS))
  map.unmap()
  for (const each of [source, target, bystander]) each.close()
  stage.leave()
  stage.discard()
}

/** The leader's part. */
function change(
  stage: Stage,
  target: Target,
  bystander: Target,
  mode: Mode,
  bytes: number,
  changed: SharedCount,
): void {
  const prng = stage.roundPrng()
  const pages = bytes / PAGE
  for (let i = 0; i < CHANGES; i++) {
    const first = prng.below(pages - 1)
    const count = 1 + prng.below(pages - 1 - first)
    if (mode === 'truncate') target.truncate(prng.chance(0.5) ? 0 : first * PAGE)
    else target.fallocate(mode, first * PAGE, count * PAGE)
    // Takes the blocks that were given back, and never sees anything but its own bytes.
    const page = prng.below(BYSTANDER_PAGES)
    const mine = filled(PAGE, stage.round + i)
    bystander.fallocate('punch', page * PAGE, PAGE)
    bystander.write(mine, page * PAGE)
    if (mode === 'truncate' || mode === 'collapse') target.truncate(bytes)
    const seen = new Uint8Array(PAGE)
    bystander.read(seen, page * PAGE)
    expectSame(seen, mine, page * PAGE, () => 'the bystander')
  }
  changed.store(1)
}

function readIn(stage: Stage, source: Target, map: MappedTarget, mode: Mode, changed: SharedCount): void {
  const mayFail = mode === 'collapse' || mode === 'truncate'
  const first = stage.thread * PAGES_EACH * PAGE
  while (changed.load() === 0) {
    const into = map.bytes.subarray(first, first + PAGES_EACH * PAGE)
    stage.op(Operation.Read, 0, 0, into.length)
    let done: number
    try {
      done = source.file.read(into, 0)
    } catch (error) {
      if (!mayFail || !(error instanceof PmemError) || error.code !== 'EFAULT') throw error
      continue
    }
    if (done !== into.length && !mayFail) throw new Mismatch(`a read into mapped pages stopped after ${done} bytes`)
  }
}

/** Context: nobody works. */
function checkTarget(target: Target, bytes: number): void {
  const seen = new Uint8Array(bytes)
  target.read(seen, 0)
  // Bytes, not words: whoever copies may do it byte by byte, beside who makes zeroes.
  seen.forEach((byte, i) => {
    if (byte === 0 || byte === PATTERN[i % 4]) return
    throw new Mismatch(`byte ${i} of the target is ${byte}: neither zero nor what was read into it`)
  })
}
