/** One measurement of `faultline bench faults`. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type DaxFile, type MountOptions, type Pmem, mount } from '../../index.js'
import type { DirtyTracking } from '../../config.js'
import { Page } from '../../constants.js'
import type { FaultName } from '../../stats.js'
import { AtomicWords } from '../../sync/shared-words.js'
import type { MeasureContext, Measurement } from '../bench.js'
import { histogramOf } from '../histogram.js'
import { runNative } from '../native-program.js'
import { percentile } from '../statistics.js'
import type { Setting } from '../sweep.js'
import { writeDataFile, writeHoleFile } from './data-file.js'
import type { FaultThreadTask } from './fault-thread.js'
import type { FaultOp } from './ops.js'
import { type TouchRun, type TouchTask, awaitAll, mapOwn, pagesOf, touch, touchMeasured, touchTimed } from './touch.js'

const FILE = 'faults.pm'
/**
 * Faults that map many pages are few. V8 compiles what they run while they are measured, 2 ms at a time on the CPU they
 * are served on, unless there are some before, and one such pause must not be a tenth of all that is measured.
 */
const LONGER = 2
const COUNTED_SHARE = 0.9
const COUNTING_MS = 2000
const SHARES = { p50: 0.5, p99: 0.99, p999: 0.999 }
/** What each case must turn out to be, or it measures something else. */
const FAULT_KIND: Readonly<Record<FaultOp, FaultName>> = {
  read: 'dataRead',
  'hole-read': 'holeRead',
  write: 'holeWrite',
  mkwrite: 'mkwrite',
  minor: 'minorRead',
}
const HUGE_KIND: Readonly<Partial<Record<FaultOp, FaultName>>> = {
  read: 'hugeDataRead',
  'hole-read': 'hugeHoleRead',
  write: 'hugeHoleWrite',
}
const MOUNTS: Readonly<Record<string, MountOptions>> = {
  one: { faultWorkers: 1 },
  all: {},
  colocate: { placement: 'colocate' },
}

/** Context: a process that does nothing else. Return: after which the process should end without closing the mount. */
export async function measureFaults(setting: Setting, { directory, seed }: MeasureContext): Promise<Measurement> {
  const op = setting['op'] as FaultOp
  const threads = setting['threads'] as number
  const isHuge = setting['size'] === '2M'
  const around = setting['around'] as number
  const unit = isHuge ? Page.PmdPages : around
  const longer = unit > 1 ? LONGER : 1
  const share = (name: string): number => Math.ceil(((setting[name] as number) * longer) / threads / unit) * unit
  const [pages, warm, timed] = [share('pages'), share('warm'), share('timed')]
  const perThread = pagesOf({ warm, pages, timed })
  const path = join(directory, FILE)
  if (op === 'hole-read' || op === 'write') writeHoleFile(path, threads * perThread)
  else writeDataFile(path, threads * perThread, seed)
  if (setting['side'] === 'c') {
    const order = String(setting['pattern'])
    const size = isHuge ? Page.PmdSize : Page.Size
    const run = (await runNative('c_handler', {
      op,
      file: path,
      pages,
      warm,
      timed,
      threads,
      unit: size,
      group: unit,
      order,
    })) as {
      nsPerFault: number
      hash: number
      latencies: number[]
    }
    return measurementOf(run.nsPerFault, run.hash, run.latencies)
  }
  const dirtyTracking = setting['tracking'] as DirtyTracking
  const own = { hugePages: isHuge, faultAround: around, maxThreads: 64, dirtyTracking }
  const options = { ...MOUNTS[String(setting['cpus'])], ...own }
  using pmem = mount(directory, options)
  const isRandom = setting['pattern'] === 'random'
  const tasks = Array.from({ length: threads }, (_, i): TouchTask => {
    return { op, unit, isRandom, first: i * perThread, warm, pages, timed }
  })
  const runs = await touchAll(pmem, tasks)
  const kind = (isHuge ? HUGE_KIND : FAULT_KIND)[op] as FaultName
  const accesses = (threads * perThread) / unit
  const expected = dirtyTracking === 'async' ? 0 : accesses * COUNTED_SHARE
  const count = await countOf(pmem, kind, expected)
  const asAsked = dirtyTracking === 'async' ? count === 0 : count >= expected
  if (!asAsked) throw new Error(`${count} of ${accesses} accesses were ${kind} faults`)
  const idle = setting['idle'] as number
  const idlePercent = idle > 0 ? await cpuPercentAfter(idle * 1000) : undefined
  pmem.crash()
  const elapsed = Math.max(...runs.map(({ end }) => end)) - Math.min(...runs.map(({ start }) => start))
  const hash = runs.reduce((sum, run) => (sum + run.hash) >>> 0, 0)
  const latencies = runs.flatMap((run) => [...run.latencies])
  return measurementOf((elapsed * 1e6) / (pages * threads), hash, latencies, idlePercent)
}

/** Faults of a kind: a worker counts its last batch when it comes back for the next. */
async function countOf(pmem: Pmem, kind: FaultName, expected: number): Promise<number> {
  const end = performance.now() + COUNTING_MS
  while (pmem.stats().faults[kind].count < expected && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return pmem.stats().faults[kind].count
}

/** latencies: ns. */
function measurementOf(
  nanoseconds: number,
  hash: number,
  latencies: readonly number[],
  idlePercent?: number,
): Measurement {
  const figures: Record<string, number> = { perPage: nanoseconds / 1000, perSecond: 1e9 / nanoseconds }
  if (latencies.length > 0) {
    const sorted = Float64Array.from(latencies).sort()
    for (const [key, share] of Object.entries(SHARES)) figures[key] = percentile(sorted, share) / 1000
  }
  if (idlePercent !== undefined) figures['idlePercent'] = idlePercent
  return { figures, hash, histogram: histogramOf(latencies) }
}

/** The first task in this thread, the others in Workers. */
async function touchAll(pmem: Pmem, tasks: readonly TouchTask[]): Promise<TouchRun[]> {
  const [own, ...others] = tasks as [TouchTask, ...TouchTask[]]
  const buffer = new SharedArrayBuffer(12)
  const control = new AtomicWords(buffer)
  const workers = others.map((task) => {
    const workerData: FaultThreadTask = {
      ...task,
      handle: pmem.handle,
      file: FILE,
      threads: tasks.length,
      control: buffer,
    }
    return new Worker(new URL('./fault-thread.js', import.meta.url), { workerData })
  })
  const runs = Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as [TouchRun])[0]))
  const exits = workers.map((worker) => once(worker, 'exit'))
  const file: DaxFile = pmem.open(FILE)
  const words = mapOwn(file, own)
  touch(words, own, 0, own.warm)
  while (control.load(0) < workers.length) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 1)), runs])
  }
  control.store(1, 1)
  control.notify(1)
  const measured = touchMeasured(words, own)
  awaitAll(control, tasks.length)
  const mine: TouchRun = { ...measured, latencies: touchTimed(words, own) }
  const theirs = await runs
  await Promise.all(exits)
  return [mine, ...theirs]
}

/** CPU time of this process, all threads, over a second that begins `wait` ms from now. Percent of one CPU. */
async function cpuPercentAfter(wait: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, wait))
  const before = process.cpuUsage()
  const start = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / 1000 / (performance.now() - start)) * 100
}
