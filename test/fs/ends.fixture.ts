/**
 * Threads and processes that end in the middle of things. argv: what ends, how, phase, pool.
 *
 *   worker    a Worker in that phase is ended, then the main thread reports what it still gets
 *   mounter   the same for a Worker that has mounted by itself
 *   main      the main thread itself ends in that phase, beside a Worker that faults
 *
 * A thread that is syncing stores a number, syncs it, and then says so in `acknowledged`: what media must have at last.
 */
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DaxFile, type MountHandle, type Pmem, attach, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const SIZE = 1 << 20
const PAGES = SIZE / PAGE

/** Slow media: faults take a while, so that they are in flight, and others wait for the same entry. */
const SLOW = { mediaLatency: 3000, faultWorkers: 2, watchdog: 0 } as const

interface Job {
  readonly pool: string
  readonly phase: string
  readonly how: string
  readonly handle: MountHandle | undefined
  /** Words: started, acknowledged. */
  readonly shared: SharedArrayBuffer
}

const enum Word {
  Started = 0,
  Acknowledged = 1,
}

/** One turn of a phase; for ever, turn after turn. */
function turn(phase: string, pmem: Pmem, file: DaxFile, job: Job, i: number): void {
  const map = file.mmap()
  switch (phase) {
    case 'mapping':
      file.mmap({ sharing: 'private', offset: PAGE * (i % PAGES), length: PAGE }).unmap()
      break
    case 'faulting':
      for (let page = 0; page < PAGES; page++) map.tryRead(page * PAGE, 1)
      map.madvise('dontneed')
      break
    case 'blocked':
      // The page that others fault as well, again and again.
      map.tryWrite(0, Uint8Array.of(i))
      map.madvise('dontneed')
      file.fallocate({ mode: 'punch', offset: 0, length: PAGE })
      break
    case 'syncing':
      map.tryWrite(8 * PAGE, new Uint8Array(Uint32Array.of(i).buffer))
      map.msync(8 * PAGE, PAGE)
      new Int32Array(job.shared)[Word.Acknowledged] = i
      break
    case 'closing':
      pmem.open(`x${i % 3}.pm`, { create: true, size: PAGE }).close()
      break
  }
  map.unmap()
}

/** Ends the calling thread (worker: from outside, by terminate). */
function end(how: string): void {
  if (how === 'exit') process.exit(7)
  if (how === 'throw') throw new Error('the program failed')
  process.kill(process.pid, how)
}

function work(job: Job): void {
  const words = new Int32Array(job.shared)
  const started = performance.now()
  for (let i = 1; ; i++) {
    if (job.phase === 'mounting') {
      mount(`${job.pool}-own`, SLOW).close()
    } else if (job.phase === 'closing') {
      const pmem = job.handle === undefined ? mount(job.pool, SLOW) : attach(job.handle)
      turn(job.phase, pmem, pmem.open('a.pm'), job, i)
      pmem.close()
    } else {
      const pmem = job.handle === undefined ? mount(job.pool, SLOW) : attach(job.handle)
      const file = pmem.open('a.pm')
      for (; ; i++) {
        turn(job.phase, pmem, file, job, i)
        words[Word.Started] = 1
        if (job.how !== 'terminate' && performance.now() - started > 60) end(job.how)
      }
    }
    words[Word.Started] = 1
    if (job.how !== 'terminate' && performance.now() - started > 60) end(job.how)
  }
}

function start(job: Job): Worker {
  const worker = new Worker(new URL(import.meta.url), { workerData: job, stderr: true })
  worker.on('error', () => undefined)
  return worker
}

function prepare(pool: string): void {
  const pmem = mount(pool)
  pmem.open('a.pm', { create: true }).write(Buffer.alloc(SIZE, 5), 0)
  pmem.close()
}

async function endOf(job: Job): Promise<void> {
  const worker = start(job)
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  const words = new Int32Array(job.shared)
  if (job.how === 'terminate') {
    while (words[Word.Started] === 0) await sleep(5)
    await sleep(Math.random() * 30)
    await worker.terminate()
  }
  await exited
}

/** A mount others use, and one of them ends. */
async function workerEnds(pool: string, how: string, phase: string): Promise<void> {
  const shared = new SharedArrayBuffer(16)
  const pmem = mount(pool, SLOW)
  const file = pmem.open('a.pm')
  const map = file.mmap()
  map.tryWrite(PAGE, Uint8Array.of(1))
  await endOf({ pool, phase, how, handle: pmem.handle, shared })
  const uses = [
    outcomeOf(() => map.tryRead(2 * PAGE, 1)),
    outcomeOf(() => map.msync()),
    outcomeOf(() => {
      file.sync()
    }),
    outcomeOf(() => {
      file.truncate(SIZE)
    }),
    outcomeOf(() => pmem.crash()),
  ]
  const close = outcomeOf(() => {
    pmem.close()
  })
  report({ uses, close, ...kept(pool, shared) })
}

async function mounterEnds(pool: string, how: string, phase: string): Promise<void> {
  const shared = new SharedArrayBuffer(16)
  await endOf({ pool, phase, how, handle: undefined, shared })
  if (phase === 'mounting') mount(`${pool}-own`).close()
  report(kept(pool, shared))
}

/** What is there afterwards: pages nobody stored to, and the number acknowledged last. */
function kept(pool: string, shared: SharedArrayBuffer): Record<string, unknown> {
  const again = mount(pool, { watchdog: 0 })
  const map = again.open('a.pm').mmap()
  const stored = new Uint32Array(map.tryRead(8 * PAGE, 4).slice().buffer)[0] ?? 0
  const acknowledged = new Int32Array(shared)[Word.Acknowledged] ?? 0
  const sound = map.tryRead(9 * PAGE, SIZE - 9 * PAGE).every((byte) => byte === 5)
  again.close()
  return { sound, lost: acknowledged > 0 && (stored < acknowledged || stored > acknowledged + 1) }
}

async function mainEnds(pool: string, how: string, phase: string): Promise<void> {
  const shared = new SharedArrayBuffer(16)
  const other = new SharedArrayBuffer(16)
  const pmem = mount(pool, SLOW)
  start({ pool, phase: 'faulting', how: 'terminate', handle: pmem.handle, shared: other })
  while (new Int32Array(other)[Word.Started] === 0) await sleep(5)
  work({ pool, phase, how, handle: pmem.handle, shared })
}

if (isMainThread) {
  const [what = '', how = '', phase = '', pool = ''] = process.argv.slice(2)
  if (what === 'kept') report(kept(pool, new SharedArrayBuffer(16)))
  else {
    prepare(pool)
    if (what === 'worker') await workerEnds(pool, how, phase)
    else if (what === 'mounter') await mounterEnds(pool, how, phase)
    else await mainEnds(pool, how, phase)
  }
} else work(workerData as Job)
