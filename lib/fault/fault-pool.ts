/** Starting and stopping the fault workers of a mount. */
import { writeSync } from 'node:fs'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { PmemError } from '../errors.js'
import { faultThreads } from '../config.js'
import { AtomicWords } from '../sync/shared-words.js'
import { lostWorkers } from './lost-thread.js'
import { HeaderWord, type Machine, type MachineHandle } from './machine.js'
import { threadFile } from './thread-file.js'

/** Generous: a loaded machine starts a thread in tens of milliseconds. */
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
/** Descriptors that a thread of Node takes, and files it reads while it starts; more than any version was seen to. */
const DESCRIPTORS = 8
/** How often a wait looks whether workers are gone that will not say so: those of a Worker that was terminated. */
const LOST_CHECK_MS = 100

/**
 * Start the workers and wait until all of them read faults. A fault before that would sleep for ever, since the thread
 * it puts to sleep may be the one whose event loop a late import needs.
 *
 * Context: sleeps; the calling thread's event loop is not needed.
 * Errors: EMFILE; EAGAIN when the host gives no thread, ETIMEDOUT when they do not come up; none is left running then.
 */
export function startFaultWorkers(machine: Machine): void {
  const { words, addon, handle } = machine
  const total = faultThreads(handle.config)
  requireDescriptors(machine, total * DESCRIPTORS)
  let started = 0
  try {
    for (; started < total; started++) startFaultWorker(handle, started + 1)
    waitFor(machine, HeaderWord.WorkersReady, total, START_TIMEOUT_MS)
  } catch (error) {
    // Who comes up must not be left with descriptors that are closed under it.
    addon.signalEvent(words.load(HeaderWord.StopEvent))
    waitFor(machine, HeaderWord.WorkersGone, started, STOP_TIMEOUT_MS)
    if (error instanceof PmemError) throw error
    throw noThread((error as Error).message, handle.root)
  }
}

/** A thread that finds too few says so to the event loop of the one that started it, which is waiting for it here. */
function requireDescriptors({ addon }: Machine, count: number): void {
  const taken: number[] = []
  try {
    while (taken.length < count) taken.push(addon.createEvent())
  } finally {
    for (const fd of taken) addon.closeFd(fd)
  }
}

/** What a fault worker is started with. */
export interface FaultTask {
  readonly handle: MachineHandle
  /** It serves mappings that are tracked asynchronously, else all others. */
  readonly isAsync: boolean
}

function noThread(why: string, root: string): PmemError {
  const mend = "raise ulimit -u, ulimit -n or the cgroup's pids.max"
  return new PmemError('EAGAIN', 'mount', `no thread for page faults (${why}): ${mend}`, root)
}

function startFaultWorker(handle: MachineHandle, number: number): void {
  const worker = new Worker(threadFile(new URL('./fault-thread.js', import.meta.url)), {
    workerData: { handle, isAsync: number > handle.config.faultWorkers } satisfies FaultTask,
    name: `faultline fault worker ${number}`,
    // The parent's flags (inspectors, loaders, --require hooks) have no business in the fault path.
    execArgv: [],
    // To copy it takes a twentieth of the start.
    env: SHARE_ENV,
  })
  worker.on('error', (error) => writeSync(2, `faultline: a thread for page faults has ended: ${String(error)}\n`))
  // A forgotten mount must not keep the process alive.
  worker.unref()
}

/** Context: sleeps until every worker has left its loop; nothing may fault afterwards. */
export function stopFaultWorkers(machine: Machine): void {
  const { words, addon, handle } = machine
  addon.signalEvent(words.load(HeaderWord.StopEvent))
  waitFor(machine, HeaderWord.WorkersGone, faultThreads(handle.config), STOP_TIMEOUT_MS)
}

function waitFor(machine: Machine, word: HeaderWord, target: number, timeoutMs: number): void {
  const stopping = word === HeaderWord.WorkersGone
  // Plain words: these waits must work on a dead mount too.
  const words = new AtomicWords(machine.handle.buffer)
  // A turn counts for what it may take at most: a process that is stopped for a while, by Ctrl-Z or a freezer of
  // containers, has not waited.
  for (let left = timeoutMs; ; left -= LOST_CHECK_MS) {
    const now = words.load(word)
    if (now >= target) return
    if (left <= 0) {
      const what = stopping ? 'stop' : 'start'
      throw new PmemError('ETIMEDOUT', 'mount', `only ${now} of ${target} fault workers did ${what} in time`)
    }
    if (!stopping && words.load(HeaderWord.WorkersFailed) > 0) throw noThread('it could not start', machine.handle.root)
    if (words.wait(word, now, Math.min(left, LOST_CHECK_MS))) continue
    if (stopping && now + lostWorkers(words, machine.threads) >= target) return
  }
}
