/**
 * A thread of a stress run. It returns to its event loop between sessions only, when nothing is mounted, for Node joins
 * the threads of its mounts there, and gives back their stacks. Everything else it waits for, it waits for in shared
 * memory, and what it has to say is posted to the main thread of its process, which only listens.
 */
import { setTimeout } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { BugError } from '../assert.js'
import { noteCoverage } from '../note-coverage.js'
import { Control, Stopped, ThreadState } from './control.js'
import type { StressFailure, StressPlan, ThreadMessage } from './messages.js'
import { Mismatch } from './mismatch.js'
import { WORKLOADS } from './operations.js'
import { Stage } from './stage.js'
import { WORKLOAD_SESSIONS } from './workloads/index.js'

/** Long enough for threads that have ended to be joined. */
const JOIN_MS = 5

export interface WorkerTask {
  readonly plan: StressPlan
  readonly thread: number
  readonly control: SharedArrayBuffer
  readonly ports: readonly MessagePort[]
}

const { plan, thread, control: buffer, ports } = workerData as WorkerTask
const control = new Control(buffer, plan.threads)

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}

function failureOf(error: unknown): StressFailure {
  const workload = WORKLOADS[control.workload] ?? 'mixed'
  const wrong = error instanceof Mismatch || error instanceof BugError
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const message = `thread ${thread}: ${error instanceof Mismatch ? error.message : text}`
  return { kind: wrong ? 'mismatch' : 'error', workload, session: control.session, round: control.round, message }
}

async function run(stage: Stage): Promise<void> {
  control.setState(thread, ThreadState.Working)
  for (const { name, operations, milliseconds } of plan.workloads) {
    const workload = WORKLOADS.indexOf(name)
    stage.start(workload, operations, milliseconds)
    const began = performance.now()
    while (stage.wantsSession()) {
      WORKLOAD_SESSIONS[name](stage)
      await setTimeout(JOIN_MS)
    }
    const seconds = (performance.now() - began) / 1000
    if (thread === 0) tell({ kind: 'ended', workload: name, seconds, kernel: stage.kernel })
  }
}

async function main(): Promise<void> {
  const meddler = plan.meddler === undefined ? undefined : ((await import(plan.meddler)) as { meddle: Meddle })
  try {
    await run(new Stage({ plan, thread, control, ports, tell, meddle: meddler?.meddle }))
    control.setState(thread, ThreadState.Done)
    noteCoverage()
    tell({ kind: 'done' })
  } catch (error) {
    noteCoverage()
    if (!(error instanceof Stopped)) tell({ kind: 'failed', failure: failureOf(error) })
    control.stop()
    // The process is about to be killed. A thread that ended now would take the fault workers with it and say so.
    control.park()
  }
}

type Meddle = (stage: Stage) => void

await main()
