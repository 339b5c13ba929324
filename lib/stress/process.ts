/**
 * The process a stress run happens in. Its main thread starts the threads and watches them; it never touches the mount,
 * so nothing that goes wrong there can silence it. How it ends is its parent's business (run.ts).
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { describeThreads } from '../fault/describe-threads.js'
import type { MountHandle } from '../fs/pmem.js'
import { openWatched } from '../fault/machine.js'
import { noteCoverage } from '../note-coverage.js'
import { collectGarbage } from './collect-garbage.js'
import { Control } from './control.js'
import type { ProcessMessage, StressPlan, StressProgress, ThreadMessage } from './messages.js'
import { WORKLOADS } from './operations.js'
import { Watchdog } from './watchdog.js'
import { ResourceMeter } from './resource-meter.js'
import type { WorkerTask } from './worker.js'

const SAMPLE_MS = 250

class StressProcess {
  readonly #plan: StressPlan
  readonly #buffer: SharedArrayBuffer
  readonly #control: Control
  readonly #watchdog: Watchdog
  readonly #resources = new ResourceMeter()
  #handle: MountHandle | undefined
  #running: number
  #timer: NodeJS.Timeout | undefined

  constructor(plan: StressPlan) {
    this.#plan = plan
    this.#buffer = Control.make(plan.threads)
    this.#control = new Control(this.#buffer, plan.threads)
    this.#watchdog = new Watchdog(this.#control, plan.stallMs)
    this.#running = plan.threads
    this.#control.setPlace(WORKLOADS.indexOf(plan.workloads[0]?.name ?? 'mixed'), 1, 0)
  }

  start(): void {
    const leaders: MessagePort[] = []
    const others: MessagePort[] = []
    for (let thread = 1; thread < this.#plan.threads; thread++) {
      const { port1, port2 } = new MessageChannel()
      leaders.push(port1)
      others.push(port2)
    }
    for (let thread = 0; thread < this.#plan.threads; thread++) {
      this.#startThread(thread, thread === 0 ? leaders : others.slice(thread - 1, thread))
    }
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  #startThread(thread: number, ports: MessagePort[]): void {
    const task: WorkerTask = { plan: this.#plan, thread, control: this.#buffer, ports }
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: task,
      transferList: ports,
      name: `stress thread ${thread}`,
      execArgv: [],
    })
    worker.on('message', (message: ThreadMessage) => this.#hear(message))
    worker.on('error', (error) => this.#fail('error', `thread ${thread}: ${error.stack ?? error.message}`))
  }

  #hear(message: ThreadMessage): void {
    switch (message.kind) {
      case 'mounted':
        this.#handle = message.handle
        break
      case 'unmounted':
        this.#handle = undefined
        if (this.#plan.collects) collectGarbage()
        break
      case 'ended':
        reply(message)
        break
      case 'failed':
        noteCoverage()
        reply({ ...message, progress: this.#progress() })
        break
      case 'done':
        if (--this.#running === 0) {
          clearInterval(this.#timer)
          noteCoverage()
          reply({ kind: 'done', progress: this.#progress() })
        }
        break
    }
  }

  #sample(): void {
    reply({ kind: 'progress', progress: this.#progress() })
    const stalled = this.#watchdog.look(performance.now())
    if (stalled !== undefined) this.#fail('stall', `${stalled}\n${this.#kernelThreads()}`)
  }

  #fail(kind: 'stall' | 'error', message: string): void {
    clearInterval(this.#timer)
    const progress = this.#progress()
    noteCoverage()
    const { workload, session, round } = progress
    reply({ kind: 'failed', failure: { kind, workload, session, round, message }, progress })
  }

  /** What the kernel knows of the threads of the mount. */
  #kernelThreads(): string {
    if (this.#handle === undefined) return 'nothing is mounted'
    try {
      return describeThreads(openWatched(this.#handle.machine))
    } catch (error) {
      return `the mount cannot be looked at: ${String(error)}`
    }
  }

  #progress(): StressProgress {
    const { threads } = this.#plan
    return {
      workload: WORKLOADS[this.#control.workload] ?? 'mixed',
      session: this.#control.session,
      round: this.#control.round,
      counts: WORKLOADS.map((_, workload) => this.#control.counts(workload)),
      checks: this.#control.checks,
      resources: this.#resources.now(),
      threads: Array.from({ length: threads }, (_, thread) => this.#control.describe(thread)),
    }
  }
}

function reply(message: ProcessMessage): void {
  process.send?.(message)
}

process.on('message', (plan: StressPlan) => new StressProcess(plan).start())
// Whoever asked for all this is gone.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
