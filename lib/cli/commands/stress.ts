/** faultline stress: many threads on the same files, every byte and every invariant checked. */
import pc from 'picocolors'
import type { FlavourName } from '../../dax/flavour.js'
import { type InjectRule, ruleText } from '../../inject-rules.js'
import { OPERATIONS, type WorkloadName } from '../../stress/operations.js'
import { STRESS_DEFAULTS, type StressResult, runStress } from '../../stress/run.js'
import { ExitStatus, requireMachine, signalStatus } from '../failure.js'
import { formatCount, print, printJson } from '../format.js'
import { StressBar } from '../stress/progress.js'
import { operationTable, workloadTable } from '../stress/summary.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface StressCommandOptions {
  threads: number
  files: number
  operations?: number
  seconds?: number
  seed: number
  workload?: WorkloadName[]
  flavour: FlavourName
  pool?: string
  inject?: InjectRule[]
  json?: boolean
}

/** Return: Ok when nothing was wrong. Errors: CommandError; of the host. */
export async function stressCommand(options: StressCommandOptions): Promise<ExitStatus> {
  requireMachine()
  const { workload, json, ...rest } = options
  const seconds = options.seconds ?? (options.operations === undefined ? STRESS_DEFAULTS.seconds : undefined)
  const bar = new StressBar({ operations: options.operations, seconds })
  // Exit handlers do the tidying.
  const onSignal = (signal: NodeJS.Signals): void => process.exit(signalStatus(signal))
  for (const signal of SIGNALS) process.on(signal, onSignal)
  let result: StressResult
  try {
    const wanted = workload ?? (options.inject === undefined ? undefined : ['failing' as const])
    const chosen = wanted === undefined ? {} : { workloads: [...new Set(wanted)] }
    result = await runStress({ ...rest, ...chosen }, (progress) => bar.update(progress))
  } finally {
    bar.stop()
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  if (json === true) printJson(toJson(result, options))
  else printTables(result, options)
  return result.failure === undefined ? ExitStatus.Ok : ExitStatus.Failed
}

function printTables(result: StressResult, options: StressCommandOptions): void {
  print(workloadTable(result))
  print(
    pc.dim(
      'faults found something locked (retried), an entry, a range (by truncate and its like), or 4 KiB entries ' +
        'where 2 MiB were wanted',
    ),
    '',
  )
  print(operationTable(result), '')
  const { failure, operations, checks, seconds, seed } = result
  const injected = result.workloads.reduce((sum, { kernel }) => sum + kernel.injected, 0)
  const facts =
    `${formatCount(operations)} operations in ${seconds.toFixed(0)} s, the whole state verified ` +
    `${formatCount(checks)} times, ${formatCount(injected)} errors injected, seed ${seed}`
  if (failure === undefined) {
    print(`${pc.green('ok')} no mismatch: ${facts}`)
    return
  }
  const { kind, workload, session, round } = failure
  print(`${pc.red('FAILED')} ${kind} in ${workload}, session ${session}, round ${round}: ${facts}`)
  print(failure.message, '', `again: ${replayCommand(result, options)}`)
}

/** The command that does the same operations; their interleaving is the machine's. */
function replayCommand({ failure, workloads, seed }: StressResult, options: StressCommandOptions): string {
  const failed = workloads.find(({ workload }) => workload === failure?.workload)
  // Somewhat more, so that it comes past the place.
  const operations = Math.ceil((failed?.counts.reduce((sum, count) => sum + count, 0) ?? 0) * 1.5) + 1000
  return [
    `faultline stress --workload ${failure?.workload ?? 'mixed'} --seed ${seed} --threads ${options.threads}`,
    `--files ${options.files} --flavour ${options.flavour} --operations ${operations}`,
    ...(options.inject ?? []).map((rule) => `--inject ${ruleText(rule)}`),
  ].join(' ')
}

function toJson(result: StressResult, options: StressCommandOptions): unknown {
  const { failure, workloads, ...totals } = result
  return {
    ok: failure === undefined,
    ...totals,
    threads: options.threads,
    files: options.files,
    flavour: options.flavour,
    workloads: workloads.map(({ workload, counts, seconds, kernel }) => ({
      workload,
      seconds: Number.isNaN(seconds) ? null : seconds,
      operations: Object.fromEntries(OPERATIONS.map((name, i) => [name, counts[i] ?? 0])),
      kernel,
    })),
    failure: failure === undefined ? null : { ...failure, again: replayCommand(result, options) },
  }
}
