/** faultline replay: scenarios of file and mapping operations, answered as a kernel would answer them. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import cliProgress from 'cli-progress'
import pc from 'picocolors'
import type { OperationRecord } from '../../replay/record.js'
import { type ScenarioResult, runScenarios } from '../../replay/runner.js'
import { type Scenario, ScenarioError, parseScenarios } from '../../replay/scenario.js'
import { CommandError, ExitStatus, requireMachine } from '../failure.js'
import { type Cell, formatCount, formatTable, print } from '../format.js'

export interface ReplayOptions {
  json?: boolean
  flavour: 'ext4' | 'xfs'
}

/** Return: Ok when every scenario ran to its end. Errors: CommandError for unusable arguments; of the host. */
export async function replayCommand(path: string, pattern: string, options: ReplayOptions): Promise<ExitStatus> {
  requireMachine()
  const { flavour } = options
  const matches = compilePattern(pattern)
  let scenarios: Scenario[]
  try {
    scenarios = parseScenarios(readFileSync(path, 'utf8')).filter(({ name }) => matches.test(name))
  } catch (error) {
    if (error instanceof ScenarioError) throw new CommandError(`${path}: ${error.message}`)
    throw error
  }
  const progress = startProgress(scenarios.length, options.json === true)
  const report = new Report(options.json === true)
  const jobs = Math.max(1, Math.floor(availableParallelism() / 2))
  try {
    await runScenarios(scenarios, {
      flavour,
      jobs,
      onResult: (result, index) => {
        report.add(result)
        progress?.update(index + 1)
      },
    })
  } finally {
    progress?.stop()
  }
  return report.finish()
}

function compilePattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error))
  }
}

/** A bar where somebody watches and the results go elsewhere, or come at the end. */
function startProgress(total: number, streams: boolean): cliProgress.SingleBar | undefined {
  if (!process.stderr.isTTY || total === 0 || (streams && process.stdout.isTTY)) return undefined
  const bar = new cliProgress.SingleBar(
    { format: '  scenarios {bar} {value} of {total}', barsize: 30, hideCursor: true, clearOnComplete: true },
    cliProgress.Presets.shades_classic,
  )
  bar.start(total, 0)
  return bar
}

/** JSON lines as they come, or a table and a summary at the end; failures to stderr at the end. */
class Report {
  readonly #json: boolean
  readonly #rows: Cell[][] = []
  readonly #failures: ScenarioResult[] = []
  #scenarios = 0
  #operations = 0
  #faults = 0
  #events = 0

  constructor(json: boolean) {
    this.#json = json
  }

  add(result: ScenarioResult): void {
    this.#scenarios++
    if (result.failure !== undefined) this.#failures.push(result)
    for (const record of result.records) {
      this.#operations++
      this.#faults += (record.flt?.[0] ?? 0) + (record.flt?.[1] ?? 0)
      this.#events += record.ev.length
      if (this.#json) process.stdout.write(`${JSON.stringify(record)}\n`)
      else this.#rows.push(rowOf(record))
    }
  }

  finish(): ExitStatus {
    if (!this.#json) this.#printTable()
    for (const { name, failure = '' } of this.#failures) console.error(`${pc.red('FAILED')} ${name}: ${failure}`)
    return this.#failures.length === 0 ? ExitStatus.Ok : ExitStatus.Failed
  }

  #printTable(): void {
    print(formatTable(['scenario', '#', 'operation', 'result', 'minor', 'major', 'events'], this.#rows))
    const count = [
      `${formatCount(this.#scenarios)} scenarios`,
      `${formatCount(this.#operations)} operations`,
      `${formatCount(this.#faults)} page faults`,
      `${formatCount(this.#events)} events`,
      `${formatCount(this.#failures.length)} not run to the end`,
    ]
    print(count.join(', '))
  }
}

function rowOf(record: OperationRecord): Cell[] {
  const [minor, major] = record.flt ?? ['', '']
  const fields = Object.entries(record.a).map(([name, value]) => `${name}=${String(value)}`)
  const { s, i, op, ev } = record
  return [s, i, `${op} ${fields.join(' ')}`, resultOf(record), minor, major, ev.length]
}

function resultOf(record: OperationRecord): string {
  const { sig, at, errno, ret, pages, vec } = record
  if (sig !== undefined) return `${sig} at ${at ?? '?'}`
  return errno ?? pages ?? vec ?? String(ret)
}
