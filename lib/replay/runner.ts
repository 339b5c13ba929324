/** Running scenarios in processes of their own: one that crashes or hangs costs itself and nothing else. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FlavourName } from '../dax/flavour.js'
import type { OperationRecord } from './record.js'
import type { ScenarioReply, ScenarioRequest } from './scenario-process.js'
import type { Scenario } from './scenario.js'

/** Without a record for so long a scenario is taken to hang. */
const SILENCE_MS = 30_000

export interface ScenarioResult {
  readonly name: string
  readonly records: readonly OperationRecord[]
  /** Why it did not come to its end. */
  readonly failure?: string
}

export interface RunOptions {
  readonly flavour: FlavourName
  /** Processes at once. Default 1. */
  readonly jobs?: number
  /** Called for each scenario in the order of the list. */
  readonly onResult: (result: ScenarioResult, index: number) => void
}

/**
 * Run all scenarios. Pools are made in a temporary directory, which is gone afterwards.
 * Errors: of the host when the directory or a process cannot be made. What goes wrong inside a scenario is its result.
 */
export async function runScenarios(scenarios: readonly Scenario[], options: RunOptions): Promise<void> {
  const { flavour, jobs = 1, onResult } = options
  const directory = mkdtempSync(join(tmpdir(), 'faultline-replay-'))
  const results = new Map<number, ScenarioResult>()
  let next = 0
  let told = 0
  const work = async (): Promise<void> => {
    const runner = new ProcessRunner(flavour, directory)
    try {
      for (let index = next++; index < scenarios.length; index = next++) {
        results.set(index, await runner.run(scenarios[index] as Scenario))
        for (let ready = results.get(told); ready !== undefined; ready = results.get(told)) {
          results.delete(told)
          onResult(ready, told++)
        }
      }
    } finally {
      runner.stop()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, scenarios.length)) }, work))
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  }
}

/** One process, used for many scenarios, and replaced when one has broken it. */
class ProcessRunner {
  readonly #flavour: FlavourName
  readonly #directory: string
  #process: ChildProcess | undefined

  constructor(flavour: FlavourName, directory: string) {
    this.#flavour = flavour
    this.#directory = directory
  }

  run(scenario: Scenario): Promise<ScenarioResult> {
    const child = this.#start()
    const records: OperationRecord[] = []
    return new Promise((resolve) => {
      const settle = (failure?: string): void => {
        clearTimeout(timer)
        child.removeAllListeners()
        // Even one that only threw may have left threads or mappings behind.
        if (failure !== undefined) this.stop()
        resolve({ name: scenario.name, records, ...(failure === undefined ? {} : { failure }) })
      }
      const timer = setTimeout(() => settle(`no answer for ${SILENCE_MS / 1000} s`), SILENCE_MS)
      child.on('message', (reply: ScenarioReply) => {
        timer.refresh()
        if (reply.kind === 'records') records.push(...reply.records)
        else settle(reply.kind === 'failed' ? reply.message : undefined)
      })
      child.on('error', (error) => settle(error.message))
      child.on('exit', (code, signal) => settle(`the process ended with ${signal ?? `status ${String(code)}`}`))
      const request: ScenarioRequest = { scenario, flavour: this.#flavour, directory: this.#directory }
      child.send(request)
    })
  }

  stop(): void {
    this.#process?.removeAllListeners()
    this.#process?.kill('SIGKILL')
    this.#process = undefined
  }

  #start(): ChildProcess {
    this.#process ??= fork(new URL('./scenario-process.js', import.meta.url), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    return this.#process
  }
}
