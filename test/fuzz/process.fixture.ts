/**
 * The process that is fuzzed: rounds of random calls by its main thread and by Workers on one mount.
 *
 * argv: { seed, calls, threads, scratch, plant } as JSON. Each line of stdout is JSON: { progress } now and then, then
 * { result }. Beyond what the calls say, each round ends with a look at what they left behind: the mount's own records,
 * its invariants, and whether its pool can be mounted again. The last look is at descriptors, threads and mappings.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type MountOptions, type Pmem, PmemError, attach, mount } from '../../lib/index.js'
import { liveInodes } from '../../lib/fs/inode-cache.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { Prng } from '../../lib/prng.js'
import { report } from '../fs/report.js'
import { openDescriptors, settledUsage } from '../support/process-usage.js'
import type { Problem, Tally } from './actor.js'
import { makeActor } from './make-actor.js'
import type { Round, ThreadData } from './thread.fixture.js'

export interface FuzzTask {
  readonly seed: number
  readonly calls: number
  /** Workers; the main thread makes calls too. */
  readonly threads: number
  readonly scratch: string
  /** Names of bad functions to call besides, with blanks between them; '': none. */
  readonly plant: string
}

export interface FuzzResult extends Tally {
  readonly rounds: number
  readonly before: Readonly<Record<string, number>>
  readonly after: Readonly<Record<string, number>>
  /** What descriptors there are at the end. */
  readonly descriptors: readonly string[]
}

const CALLS_PER_ROUND = 150
const HEARTBEAT_MS = 500

const task = JSON.parse(process.argv[2] ?? '') as FuzzTask
process.env['TMPDIR'] = task.scratch
process.chdir(task.scratch)
// One for each mount and each listener, of which there are many.
process.setMaxListeners(0)
process.removeAllListeners('warning')
const progress = new Int32Array(new SharedArrayBuffer(4 * (task.threads + 1)))
const actor = makeActor({ ...task, thread: 0 })

/** What mounts of a round are like. */
function optionsOf(prng: Prng): MountOptions {
  const small = prng.chance(0.4)
  return {
    capacity: small ? '3MiB' : '1GiB',
    faultWorkers: 1 + prng.below(2),
    durability: 'process',
    hugePages: prng.chance(0.7),
    flavour: prng.chance(0.5) ? 'ext4' : 'xfs',
    locking: (['entry', 'entry', 'range', 'inode'] as const)[prng.below(4)] ?? 'entry',
    stores: prng.chance(0.3) ? 'traced' : 'diff',
    storeLogSize: prng.chance(0.3) ? '64KiB' : '16MiB',
    domain: prng.chance(0.2) ? 'eadr' : 'adr',
    ...(small
      ? { maxFiles: 8, maxMappings: 24, maxTreeNodes: 64, maxExtents: 256, maxPendingLines: 64, waitBuckets: 1 }
      : {}),
    ...(prng.chance(0.1) ? { inject: { faultHandlerThrowsAt: 1 + prng.below(100) } } : {}),
  }
}

function startThread(thread: number): Worker {
  const workerData: ThreadData = { ...task, thread, progress: progress.buffer }
  return new Worker(new URL('./thread.fixture.js', import.meta.url), { workerData })
}

/** Return: what the worker's calls came to. Errors: those of the worker. */
function inWorker(worker: Worker, round: Round): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
      end()
    }
    const onMessage = (tally: Tally): void => settle(() => resolve(tally))
    const onError = (error: Error): void => settle(() => reject(error))
    const onExit = (code: number): void => settle(() => reject(new Error(`a Worker exited with ${code}`)))
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    worker.postMessage(round)
  })
}

/** What was stored to pages that went bad, or to a full pool, cannot be written back: close says so. */
function closeOf(pmem: Pmem): void {
  try {
    pmem.close()
  } catch (error) {
    if (!(error instanceof PmemError)) throw error
  }
}

async function playRound(number: number, workers: readonly Worker[], calls: number): Promise<Tally> {
  const prng = new Prng(task.seed + number * 7919)
  const pool = join(task.scratch, `pool-${number}`)
  const pmem = mount(pool, optionsOf(prng))
  const { handle } = pmem
  // Half of the time the last to leave is one of those who call at random.
  const warden = prng.chance(0.5) ? pmem : undefined
  if (warden === undefined) setTimeout(() => closeOf(pmem), 0)
  const seeds = workers.map(() => prng.below(2 ** 31))
  const tallies = workers.map((worker, i) => inWorker(worker, { handle, seed: seeds[i] ?? 0, calls }))
  const own = await actor.run(handle, prng.below(2 ** 31), calls, () => Atomics.add(progress, 0, 1))
  const all = [own, ...(await Promise.all(tallies))]
  const left: string[] = []
  if (warden !== undefined) left.push(...lookAt(warden))
  closeOf(pmem)
  left.push(...remount(pool))
  rmSync(pool, { recursive: true, force: true })
  return mergeTallies([
    ...all,
    { calls: 0, outcomes: {}, problems: left.map((complaint) => ({ call: `round ${number}`, number, complaint })) },
  ])
}

/** What everybody who has left must have taken with him. */
function lookAt(warden: Pmem): string[] {
  const wrong: string[] = []
  try {
    warden.verify()
    const { liveMappings } = warden.stats().memory
    const { inodes, words } = machineOf(warden)
    // A closed file with bytes that no sync has written back is kept; one that somebody holds is a leak.
    const held = liveInodes(machineOf(warden)).filter((id) => words.load(inodes.at(id) + InodeWord.References) !== 0)
    const names = held.map((id) => inodes.nameOf(id))
    if (liveMappings !== 0 || held.length > 0) wrong.push(`left: ${liveMappings} mappings, files ${names.join(', ')}`)
    attach(warden.handle).close()
  } catch (error) {
    // A dead mount has nothing to tell.
    if (!(error instanceof PmemError) || error.code !== 'EIO') wrong.push(String((error as Error).stack))
  }
  return wrong
}

/** The pool is free, whole, and every file in it can be opened, looked at and written back. */
function remount(pool: string): string[] {
  try {
    const pmem = mount(pool, { capacity: '2GiB' })
    for (const name of pmem.list()) {
      try {
        const file = pmem.open(name)
        file.read(Buffer.alloc(64), 0)
        file.sync()
      } catch (error) {
        // Poisoned; or a mode without permission for us.
        if (!(error instanceof PmemError) || !['EIO', 'EACCES'].includes(error.code)) throw error
      }
    }
    pmem.verify()
    pmem.close()
    return []
  } catch (error) {
    return [`the pool cannot be used again: ${(error as Error).stack ?? ''}`]
  }
}

function mergeTallies(tallies: readonly Tally[]): Tally {
  const outcomes: Record<string, number> = {}
  const problems: Problem[] = []
  let calls = 0
  for (const tally of tallies) {
    calls += tally.calls
    problems.push(...tally.problems)
    for (const [name, count] of Object.entries(tally.outcomes)) outcomes[name] = (outcomes[name] ?? 0) + count
  }
  return { calls, outcomes, problems }
}

const calls = Math.min(CALLS_PER_ROUND, Math.ceil(task.calls / (task.threads + 1)))
const heartbeat = setInterval(() => report({ progress: progress.reduce((sum, each) => sum + each, 0) }), HEARTBEAT_MS)

let rounds = 0

/** Rounds until there were so many calls. */
async function play(wanted: number): Promise<Tally> {
  const workers = Array.from({ length: task.threads }, (_, i) => startThread(i + 1))
  const tallies: Tally[] = []
  for (let made = 0; made < wanted; made += tallies.at(-1)?.calls ?? 0) {
    tallies.push(await playRound(rounds++, workers, calls))
    report({ progress: progress.reduce((sum, each) => sum + each, 0) })
    await sleep(0)
  }
  for (const worker of workers) worker.postMessage('end')
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
  return mergeTallies(tallies)
}

// /proc/self/pagemap stays open from the first look at a page table on.
{
  const pmem = mount(join(task.scratch, 'first'))
  pmem.open('a.pm', { create: true, size: 4096 }).mmap().mincore()
  pmem.close()
}
// What is made once and stays, by the first calls, is no leak.
const first = await play(1)
const before = await settledUsage()
const rest = await play(task.calls - first.calls)
const after = await settledUsage()
clearInterval(heartbeat)
const result: FuzzResult = { ...mergeTallies([first, rest]), rounds, before, after, descriptors: openDescriptors() }
report({ result })
