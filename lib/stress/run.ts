/**
 * A stress run, from outside: it happens in a process of its own (process.ts), because what it looks for are crashes
 * and hangs. That process is killed as soon as it has said how it went, or has been silent for too long.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { FlavourName } from '../dax/flavour.js'
import type { InjectRule } from '../inject-rules.js'
import type { KernelTotals, ProcessMessage, StressFailure, StressPlan, StressProgress } from './messages.js'
import { WORKLOADS, type WorkloadName } from './operations.js'

export interface StressOptions {
  /** User threads, at least 2. Default 4. */
  readonly threads?: number
  /** Files of the mixed workload. Default 4. */
  readonly files?: number
  /** Loads, stores and system calls, of all threads and workloads together. Default: as many as there is time for. */
  readonly operations?: number
  /** For all workloads together. Default 30 when no operations are given, else no limit. */
  readonly seconds?: number
  readonly seed?: number
  /** Default: all. */
  readonly workloads?: readonly WorkloadName[]
  readonly flavour?: FlavourName
  /** Where pools are made, and left when the run fails. Default: a temporary directory, which goes in any case. */
  readonly pool?: string
  /** A thread without progress for so long ends the run. Default 20. */
  readonly stallSeconds?: number
  /** What fails in the workload 'failing'. Default: some of everything. */
  readonly inject?: readonly InjectRule[]
  /** See StressPlan. Default false. */
  readonly collects?: boolean
  readonly meddler?: string
}

export interface WorkloadResult {
  readonly workload: WorkloadName
  /** By operation. */
  readonly counts: readonly number[]
  readonly seconds: number
  readonly kernel: KernelTotals
}

export interface StressResult {
  readonly seed: number
  /** Undefined: every byte and every invariant was as it should be. */
  readonly failure: StressFailure | undefined
  readonly workloads: readonly WorkloadResult[]
  readonly operations: number
  /** How often the whole state was verified. */
  readonly checks: number
  readonly seconds: number
}

export const STRESS_DEFAULTS = {
  threads: 4,
  files: 4,
  seconds: 30,
  seed: 1,
  flavour: 'ext4',
  stallSeconds: 20,
} as const

/** How much of a run each workload gets, of its operations and of its time. */
const SHARES: Readonly<Record<WorkloadName, { operations: number; time: number }>> = {
  mixed: { operations: 50, time: 40 },
  fsx: { operations: 3, time: 20 },
  holetest: { operations: 24, time: 15 },
  'cow-race': { operations: 8, time: 10 },
  'stale-pmd': { operations: 12, time: 8 },
  collision: { operations: 3, time: 7 },
  failing: { operations: 2, time: 15 },
}
const NO_TOTALS: KernelTotals = {
  faults: 0,
  faultsRetried: 0,
  lockedEntries: 0,
  rangeConflicts: 0,
  hugeConflicts: 0,
  injected: 0,
}
/**
 * Has glibc give back what is freed: by default a freed buffer of some MiB teaches it to take those from its arenas,
 * one for each thread there is or was, and these grow by holes for a long time. For who measures what is held.
 */
const PROMPT_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(2 ** 17),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 17),
}
/** The stress process reports four times a second. */
const SILENCE_MS = 15_000
/** No timer is longer. */
const FOREVER_MS = 2 ** 31 - 1

/** Context: starts a process. Errors: of the host. Return: when the process is gone, whatever it ended by. */
export async function runStress(
  options: StressOptions,
  onProgress: (progress: StressProgress) => void = () => undefined,
): Promise<StressResult> {
  const directory = poolDirectory(options.pool)
  const plan = makePlan(options, directory)
  const remove = (): void => {
    if (options.pool === undefined) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    }
  }
  try {
    return await new StressRun(plan, onProgress, remove).run()
  } finally {
    remove()
  }
}

function poolDirectory(given: string | undefined): string {
  if (given === undefined) return mkdtempSync(join(tmpdir(), 'faultline-stress-'))
  mkdirSync(given, { recursive: true })
  return resolve(given)
}

function makePlan(options: StressOptions, directory: string): StressPlan {
  const names = options.workloads ?? WORKLOADS
  const operations = options.operations ?? Infinity
  const seconds = options.seconds ?? (options.operations === undefined ? STRESS_DEFAULTS.seconds : Infinity)
  const sum = (of: 'operations' | 'time'): number => names.reduce((total, name) => total + SHARES[name][of], 0)
  return {
    threads: options.threads ?? STRESS_DEFAULTS.threads,
    files: options.files ?? STRESS_DEFAULTS.files,
    seed: options.seed ?? STRESS_DEFAULTS.seed,
    flavour: options.flavour ?? STRESS_DEFAULTS.flavour,
    stallMs: (options.stallSeconds ?? STRESS_DEFAULTS.stallSeconds) * 1000,
    directory,
    collects: options.collects ?? false,
    workloads: names.map((name) => ({
      name,
      operations: Math.min(
        Number.MAX_SAFE_INTEGER,
        Math.ceil((operations * SHARES[name].operations) / sum('operations')),
      ),
      milliseconds: Math.min(FOREVER_MS, (seconds * 1000 * SHARES[name].time) / sum('time')),
    })),
    ...(options.inject === undefined ? {} : { inject: options.inject }),
    ...(options.meddler === undefined ? {} : { meddler: options.meddler }),
  }
}

class StressRun {
  readonly #began = performance.now()
  readonly #ended = new Map<WorkloadName, { seconds: number; kernel: KernelTotals }>()
  #last: StressProgress | undefined

  constructor(
    private readonly plan: StressPlan,
    private readonly onProgress: (progress: StressProgress) => void,
    /** For when this process exits in the middle of it. */
    private readonly onAbandon: () => void,
  ) {}

  async run(): Promise<StressResult> {
    const child = fork(new URL('./process.js', import.meta.url), {
      execArgv: [],
      stdio: ['ignore', 2, 2, 'ipc'],
      env: this.plan.collects ? { ...process.env, ...PROMPT_MALLOC } : process.env,
    })
    const onExit = (): void => {
      child.kill('SIGKILL')
      this.onAbandon()
    }
    process.on('exit', onExit)
    try {
      return this.#result(await this.#watch(child))
    } finally {
      child.removeAllListeners()
      process.off('exit', onExit)
      await killed(child)
    }
  }

  /** Return: how it failed, or undefined. */
  #watch(child: ChildProcess): Promise<StressFailure | undefined> {
    return new Promise((resolve) => {
      const silence = setTimeout(() => {
        resolve(this.#death(`has said nothing for ${SILENCE_MS / 1000} s`))
      }, SILENCE_MS + this.plan.stallMs)
      const settle = (failure: StressFailure | undefined): void => {
        clearTimeout(silence)
        resolve(failure)
      }
      child.on('message', (message: ProcessMessage) => {
        silence.refresh()
        if (message.kind === 'ended') {
          this.#ended.set(message.workload, message)
          return
        }
        this.#last = message.progress
        this.onProgress(message.progress)
        if (message.kind === 'failed') settle(message.failure)
        else if (message.kind === 'done') settle(undefined)
      })
      child.on('error', (error) => settle(this.#death(error.message)))
      child.on('exit', (code, signal) => settle(this.#death(`has ended with ${signal ?? `status ${String(code)}`}`)))
      child.send(this.plan)
    })
  }

  #death(how: string): StressFailure {
    const {
      workload = this.plan.workloads[0]?.name ?? 'mixed',
      session = 1,
      round = 0,
      threads = [],
    } = this.#last ?? {}
    const doing = threads.map((text) => `  ${text}`).join('\n')
    return {
      kind: 'death',
      workload,
      session,
      round,
      message: `the stress process ${how}; it was last seen doing\n${doing}`,
    }
  }

  #result(failure: StressFailure | undefined): StressResult {
    const seconds = (performance.now() - this.#began) / 1000
    const workloads = this.plan.workloads.flatMap(({ name }): WorkloadResult[] => {
      const counts = this.#last?.counts[WORKLOADS.indexOf(name)] ?? []
      const ended = this.#ended.get(name)
      if (ended === undefined && total(counts) === 0) return []
      return [{ workload: name, counts, seconds: ended?.seconds ?? NaN, kernel: ended?.kernel ?? NO_TOTALS }]
    })
    return {
      seed: this.plan.seed,
      failure,
      workloads,
      operations: workloads.reduce((sum, { counts }) => sum + total(counts), 0),
      checks: this.#last?.checks ?? 0,
      seconds,
    }
  }
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
