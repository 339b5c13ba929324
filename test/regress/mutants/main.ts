/**
 * npm run test:mutants [-- NAME…] [--jobs N]
 *
 * NAME: a bug (B7), a patch (B24-unaligned-key), or `schedule`; without any, all of them. Progress on standard error, a
 * table on standard output. Ends with 0 when all were killed, 1 when not, 2 for wrong arguments.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { makeProgress } from '../../../lib/cli/progress.js'
import { type Mutant, readMutants } from './patches.js'
import { type Verdict, judgeAll } from './run.js'

const USAGE = 'usage: npm run test:mutants [-- NAME…] [--jobs N]'
const MESSAGE_COLUMNS = 60

class UsageError extends Error {}

function readArguments(): { mutants: Mutant[]; jobs: number } {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { jobs: { type: 'string' } } })
  const jobs = Number(values.jobs ?? Math.min(2, availableParallelism()))
  if (!Number.isSafeInteger(jobs) || jobs < 1) throw new UsageError(`--jobs must be an integer from 1 on`)
  const all = readMutants()
  const unknown = positionals.find((name) => !all.some((mutant) => isNamed(mutant, name)))
  if (unknown !== undefined) throw new UsageError(`no mutant '${unknown}'`)
  const mutants = all.filter((mutant) => positionals.length === 0 || positionals.some((name) => isNamed(mutant, name)))
  return { mutants, jobs }
}

function isNamed(mutant: Mutant, name: string): boolean {
  return mutant.bug === name || mutant.name === name
}

function renderTable(verdicts: readonly Verdict[]): string {
  const table = new Table({
    head: ['bug', 'patch', 'test', 'result', 's', 'what was said'],
    style: { head: [], border: [] },
  })
  for (const { mutant, result, by, message, seconds } of verdicts) {
    const test = mutant.test.replace(/^dist\/test\/(.*)\.test\.js$/, '$1')
    const how = by === undefined ? result : `${result}: ${by}`
    const said = result === 'killed' ? message.slice(0, MESSAGE_COLUMNS) : message
    table.push([mutant.bug, mutant.name.replace(/^[^-]*-/, ''), test, how, seconds.toFixed(1), said])
  }
  return table.toString()
}

async function main(): Promise<void> {
  const { mutants, jobs } = readArguments()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  const began = performance.now()
  const progress = makeProgress('mutants')
  progress.start(mutants.length)
  let count = 0
  const verdicts = await judgeAll(mutants, jobs, () => progress.update(++count))
  progress.stop()
  console.log(renderTable(verdicts))
  const killed = verdicts.filter(({ result }) => result === 'killed')
  const bugs = new Set(killed.map(({ mutant }) => mutant.bug).filter((bug) => bug.startsWith('B')))
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${killed.length} of ${verdicts.length} mutants killed, ${bugs.size} of 50 bugs, in ${seconds} s`)
  process.exitCode = killed.length === verdicts.length ? 0 : 1
}

main().catch((error: unknown) => {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(`test:mutants: ${error instanceof Error ? error.message : String(error)}`)
  if (isUsage) console.error(USAGE)
  process.exitCode = isUsage ? 2 : 1
})
