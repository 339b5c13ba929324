/** One measurement of `faultline bench locks`: see locks.ts for what each case does. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { LockingName } from '../../config.js'
import { Page } from '../../constants.js'
import { type DaxFile, mount } from '../../index.js'
import { AtomicWords } from '../../sync/shared-words.js'
import type { MeasureContext, Measurement } from '../bench.js'
import { percentile } from '../statistics.js'
import type { Setting } from '../sweep.js'
import { Control, FILE, type LockCase, type ThreadReport, type ThreadTask, WARM_PAGES, pattern } from './protocol.js'

/** Pages behind those the threads touch, for truncate and punch. */
const TAIL_PAGES = 256
const PUNCH_PAGES = 16

/** Context: a process that does nothing else. */
export async function measureLocks(setting: Setting, { directory, seed }: MeasureContext): Promise<Measurement> {
  const kind = setting['case'] as LockCase
  const threads = setting['threads'] as number
  const perThread = Math.ceil((setting['faults'] as number) / threads)
  const shared = kind === 'overlap' || kind === 'slow-same'
  const isSlow = kind === 'slow' || kind === 'slow-same'
  const isStorm = kind === 'truncate' || kind === 'punch'
  const pages = threads * WARM_PAGES + (shared ? perThread : perThread * threads)
  writeData(join(directory, FILE), pages + TAIL_PAGES, seed)
  using pmem = mount(directory, {
    locking: setting['locking'] as LockingName,
    faultWorkers: threads,
    maxThreads: 3 * threads + 4,
    hugePages: false,
    mediaLatency: isSlow ? (setting['latency'] as number) : 0,
    ...(isSlow ? { faultBatch: 1 } : {}),
  })
  const file = pmem.open(FILE)
  const buffer = new SharedArrayBuffer(Control.Words * 4)
  const control = new AtomicWords(buffer)
  const task = { handle: pmem.handle, control: buffer, threads, perThread, shared, drops: isStorm, seed }
  const workers = Array.from({ length: threads }, (_, thread) => {
    const workerData: ThreadTask = { ...task, thread }
    return new Worker(new URL('./lock-thread.js', import.meta.url), { workerData })
  })
  const reports = Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as [ThreadReport])[0]))
  const exits = workers.map((worker) => once(worker, 'exit'))
  await Promise.race([started(control, threads), reports])
  control.store(Control.Go, 1)
  control.notify(Control.Go)
  const storms = isStorm ? storm(file, kind, pages, control, threads) : 0
  const done = await reports
  await Promise.all(exits)
  const { count } = totalFaults(pmem.stats().faults)
  if (count < threads * perThread) throw new Error(`${count} faults for ${threads * perThread} accesses`)
  return summariseThreads(done, storms)
}

/** The first word of each page says which it is. */
function writeData(path: string, pages: number, seed: number): void {
  const data = Buffer.alloc(pages * Page.Size)
  for (let page = 0; page < pages; page++) data.writeInt32LE(pattern(page, seed), page * Page.Size)
  writeFileSync(path, data)
}

async function started(control: AtomicWords, threads: number): Promise<void> {
  while (control.load(Control.Ready) < threads) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Truncate or punch behind the pages of the threads until the last of them is done. Return: how often. */
function storm(file: DaxFile, kind: LockCase, pages: number, control: AtomicWords, threads: number): number {
  let count = 0
  for (; control.load(Control.Done) < threads; count++) {
    const offset = pages * Page.Size
    if (kind === 'punch') {
      const at = offset + ((count * PUNCH_PAGES) % TAIL_PAGES) * Page.Size
      file.fallocate({ mode: 'punch', offset: at, length: PUNCH_PAGES * Page.Size })
    } else file.truncate(offset + (count % 2) * TAIL_PAGES * Page.Size)
  }
  return count
}

function totalFaults(faults: Readonly<Record<string, { readonly count: number }>>): { count: number } {
  return { count: Object.values(faults).reduce((sum, { count }) => sum + count, 0) }
}

function summariseThreads(reports: readonly ThreadReport[], storms: number): Measurement {
  const latencies = Float64Array.from(reports.flatMap(({ latencies: each }) => [...each])).sort()
  const began = Math.min(...reports.map(({ start }) => start))
  const seconds = (Math.max(...reports.map(({ end }) => end)) - began) / 1000
  return {
    figures: {
      perSecond: latencies.length / seconds,
      p50: percentile(latencies, 0.5) * 1000,
      p99: percentile(latencies, 0.99) * 1000,
      stormsPerSecond: storms / seconds,
    },
    hash: reports.reduce((sum, { hash }) => (sum + hash) >>> 0, 0),
  }
}
