/** The loop in several processes: a run waits for threads that start and end, most of the time. */
import { type ChildProcess, fork } from 'node:child_process'
import type { InjectOperation } from '../../lib/inject-rules.js'
import { Silence } from '../support/silence.js'
import { type Settings, countOperations } from './loop.js'
import type { RunAnswer, RunTask } from './run.fixture.js'

export interface CampaignPlan {
  readonly operations: readonly InjectOperation[]
  readonly settings: Settings
  readonly jobs: number
  /** The first run of each kind. Default: 1. */
  readonly from?: number
  /** Who has found so many will not read more. */
  readonly complaintsMax?: number
  /** Called after each run, with what was wrong in it. */
  readonly onRun: (runs: number, total: number, complaint: string | undefined) => void
}

export interface KindResult {
  readonly operation: InjectOperation
  /** Operations of the kind that the workload makes when none fails, and runs in which one failed. */
  readonly made: number
  readonly failed: number
}

export interface CampaignResult {
  readonly kinds: readonly KindResult[]
  readonly runs: number
  readonly complaints: readonly string[]
}

const SILENCE_MS = 120_000
const COMPLAINTS_MAX = 20

export function runCampaign(plan: CampaignPlan): Promise<CampaignResult> {
  return new Campaign(plan).run()
}

class Campaign {
  readonly #plan: CampaignPlan
  readonly #complaints: string[] = []
  readonly #kinds: Kind[]
  readonly #total: number
  #runs = 0

  constructor(plan: CampaignPlan) {
    this.#plan = plan
    const made = countOperations(plan.settings)
    this.#kinds = plan.operations.map((operation) => new Kind(operation, made[operation], plan.from ?? 1))
    this.#total = this.#kinds.reduce((sum, kind) => sum + Math.max(0, kind.made - kind.next + 1) + 1, 0)
  }

  async run(): Promise<CampaignResult> {
    await Promise.all(Array.from({ length: this.#plan.jobs }, () => this.#job()))
    return { kinds: this.#kinds, runs: this.#runs, complaints: this.#complaints }
  }

  async #job(): Promise<void> {
    let child: ChildProcess | undefined
    try {
      for (let kind = this.#kind(); kind !== undefined; kind = this.#kind()) {
        child ??= fork(new URL('./run.fixture.js', import.meta.url))
        const { operation } = kind
        const nth = kind.take()
        const { failed, complaint } = await ask(child, { operation, nth, settings: this.#plan.settings })
        kind.note(nth, failed)
        if (complaint !== undefined) this.#complaints.push(complaint)
        // What is left of a mount that went wrong must not disturb the next.
        if (complaint !== undefined) {
          child.kill('SIGKILL')
          child = undefined
        }
        this.#plan.onRun(++this.#runs, this.#total, complaint)
      }
    } finally {
      child?.kill('SIGKILL')
    }
  }

  #kind(): Kind | undefined {
    if (this.#complaints.length >= (this.#plan.complaintsMax ?? COMPLAINTS_MAX)) return undefined
    return this.#kinds.find(({ isOver }) => !isOver)
  }
}

class Kind implements KindResult {
  failed = 0
  isOver = false

  constructor(
    readonly operation: InjectOperation,
    readonly made: number,
    public next: number,
  ) {}

  take(): number {
    return this.next++
  }

  /** Not before all that the workload makes have had their turn. */
  note(nth: number, failed: boolean): void {
    if (failed) this.failed++
    else if (nth > this.made) this.isOver = true
  }
}

/** Return: the answer of the child; a child that dies or says nothing is a complaint. */
async function ask(child: ChildProcess, task: RunTask): Promise<RunAnswer> {
  let silence: Silence | undefined
  const answer = new Promise<RunAnswer>((resolve) => {
    silence = new Silence(SILENCE_MS, () => resolve(complain(`nothing was heard for ${SILENCE_MS / 1000} s`, task)))
    child.once('message', resolve)
    child.once('exit', (status, by) => resolve(complain(`the process has ended with ${by ?? status}`, task)))
  })
  child.send(task)
  try {
    return await answer
  } finally {
    silence?.stop()
    child.removeAllListeners()
  }
}

function complain(what: string, task: RunTask): RunAnswer {
  return { failed: true, complaint: `${what}: ${nameOf(task)}` }
}

function nameOf({ operation, nth, settings }: RunTask): string {
  return `--operation ${operation} --nth ${nth} --seed ${settings.seed}`
}
