/**
 * Media, allocations, syncs and notes fail all the time, by chance of the seed (mount option inject): each thread does
 * what it likes to files of its own, and keeps for every byte what it must be, and for every line what it may be after
 * a power failure (failing/file-model.ts).
 *
 * A call that fails is no mismatch, a call that says it is done and is not is one. At the end of a round the power
 * fails; then, or after a remount, everything acknowledged must be there. The threads share the pool, its page frames,
 * the fault workers and the errors.
 */
import type { InjectRule } from '../../inject-rules.js'
import type { Prng } from '../../prng.js'
import { FailingFile, type Watch } from '../failing/failing-file.js'
import { step } from '../failing/steps.js'
import { Operation } from '../operations.js'
import type { Stage } from '../stage.js'

const ROUNDS = 24
const STEPS = 60
/** Rounds between remounts. */
const REMOUNT_EVERY = 8
const FILES: readonly (readonly [name: string, limit: number])[] = [
  ['small', 48 * 4096],
  // 2 MiB entries, and pages behind them.
  ['large', 2 ** 21 + 2 ** 18],
]

const OPERATIONS: Readonly<Record<string, Operation>> = {
  load: Operation.Load,
  'private load': Operation.Load,
  store: Operation.Store,
  'MAP_SYNC store': Operation.Store,
  'private store': Operation.Store,
  read: Operation.Read,
  write: Operation.Write,
  truncate: Operation.Truncate,
  punch: Operation.Punch,
  zero: Operation.Zero,
  allocate: Operation.Allocate,
  collapse: Operation.Collapse,
  insert: Operation.Insert,
  msync: Operation.Msync,
  fsync: Operation.Fsync,
  flush: Operation.Flush,
  fence: Operation.Fence,
  deepSync: Operation.Flush,
  madvise: Operation.Advise,
}

/** What fails when the command line does not say. */
function likelyRules(seed: number): InjectRule[] {
  return [
    { operation: 'media-read', error: 'EIO', probability: 0.004 },
    { operation: 'media-read', delay: '200us', probability: 0.02 },
    { operation: 'media-write', error: 'EIO', probability: 0.003 },
    { operation: 'media-write', error: 'EIO', torn: true, probability: 0.003 },
    { operation: 'allocate', error: 'ENOSPC', probability: 0.005 },
    { operation: 'allocate', error: 'EDQUOT', probability: 0.005 },
    { operation: 'sync', error: 'EIO', probability: 0.03 },
    { operation: 'resize', error: 'EIO', probability: 0.03 },
    { operation: 'punch', error: 'EIO', probability: 0.03 },
    { operation: 'move', error: 'EIO', probability: 0.05 },
    { operation: 'note', error: 'ENOSPC', probability: 0.03 },
  ].map((rule, i) => ({ ...rule, seed: seed + i }) as InjectRule)
}

export function failing(stage: Stage): void {
  let files = open(stage)
  for (let more = true; more;) {
    const prng = stage.roundPrng()
    for (let i = 0; i < STEPS; i++) step(files[prng.chance(0.75) ? 0 : 1] as FailingFile, prng)
    for (const file of files) file.expectNow(`in round ${stage.round}`)
    losePower(stage, files, stage.prng(stage.round, 4))
    more = stage.again(ROUNDS)
    if (more && stage.round % REMOUNT_EVERY === 0) files = remount(stage, files)
  }
  remount(stage, files).forEach(close)
  stage.leave()
  stage.discard()
}

/** Mounts the pool too. */
function open(stage: Stage, before?: readonly FailingFile[]): FailingFile[] {
  stage.enter({ inject: [], capacity: '256MiB' })
  const files = FILES.map(([name, limit], i) => {
    return new FailingFile(stage.pmem, watchOf(stage), `${name}-${stage.thread}`, limit, before?.[i])
  })
  for (const file of before === undefined ? [] : files) file.expectPromised('after a remount')
  stage.barrier()
  const seed = stage.prng(stage.round, 3).next() % 2 ** 31
  if (stage.isLeader) stage.inject(stage.rules ?? likelyRules(seed))
  stage.barrier()
  return files
}

/** The last close writes back what there is; nothing fails then, so nothing may be missing. */
function remount(stage: Stage, files: readonly FailingFile[]): FailingFile[] {
  stage.barrier()
  if (stage.isLeader) stage.inject([])
  stage.barrier()
  files.forEach(close)
  stage.leave()
  for (const { model } of files) model.synced()
  return open(stage, files)
}

function close(file: FailingFile): void {
  file.map.unmap()
  file.syncMap.unmap()
  for (const each of file.opens) each.close()
}

/** prng: the same in all threads. */
function losePower(stage: Stage, files: readonly FailingFile[], prng: Prng): void {
  const survive = (['none', 'random', 'all'] as const)[prng.below(3)] ?? 'none'
  stage.barrier()
  if (stage.isLeader) {
    stage.op(Operation.Crash, 0, 0, 0)
    stage.pmem.crash({ survive, seed: prng.next() })
  }
  stage.barrier()
  for (const file of files) file.expectPromised(`after a power failure in round ${stage.round}`)
}

/** Other threads meet errors too, so any call may have failed for one. */
function watchOf(stage: Stage): Watch {
  let calls = 0
  return {
    failures: () => ++calls,
    begin: (call) => stage.op(OPERATIONS[call] ?? Operation.Read, stage.thread, 0, 0),
    mayAbsorb: true,
    told: () => undefined,
  }
}
