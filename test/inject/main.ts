/**
 * npm run test:inject: a workload of 500 operations with the first, the second, the third… operation of each kind
 * failing, until none is left (loop.ts; what is checked: run.ts).
 *
 *   -- --operation NAME   only this kind      -- --nth N    only this run
 *   -- --from N           not those before    -- --jobs N   processes at a time, default: CPUs
 *   -- --seed N           another workload
 */
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { formatTable, print } from '../../lib/cli/format.js'
import { makeProgress } from '../../lib/cli/progress.js'
import { INJECT_OPERATIONS, type InjectOperation } from '../../lib/inject-rules.js'
import { runCampaign } from './campaign.js'
import { type Settings, runFailing } from './loop.js'

interface Options {
  readonly operation?: InjectOperation
  readonly nth?: number
  readonly from: number
  readonly seed: number
  readonly jobs: number
}

function natural(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is a natural number.')
  return Number(text)
}

const { operation, nth, from, seed, jobs }: Options = new Command()
  .addOption(new Option('--operation <name>').choices([...INJECT_OPERATIONS]))
  .option('--nth <number>', '', natural)
  .option('--from <number>', '', natural, 1)
  .option('--seed <number>', '', natural, 1)
  .option('--jobs <number>', '', natural, availableParallelism())
  .parse()
  .opts()

const settings: Settings = { seed, steps: 500, stepsAfter: 60 }
const operations = operation === undefined ? INJECT_OPERATIONS : [operation]
if (nth === undefined) {
  const progress = makeProgress('runs')
  let isStarted = false
  const started = performance.now()
  const onRun = (runs: number, total: number, complaint: string | undefined): void => {
    if (complaint !== undefined) console.error(`${complaint}\n`)
    if (!isStarted) progress.start(total)
    isStarted = true
    progress.update(Math.min(runs, total))
  }
  const { kinds, runs, complaints } = await runCampaign({
    operations,
    settings,
    from: Math.max(1, from),
    jobs: Math.max(1, jobs),
    onRun,
  })
  progress.stop()
  const rows = kinds.map(({ operation: name, made, failed }) => [name, made, failed])
  print(formatTable(['operation', 'made', 'runs in which one failed'], rows))
  const verdict =
    complaints.length === 0 ? 'every error was told, nothing acknowledged was lost' : `${complaints.length} complaints`
  print(`${runs} runs in ${((performance.now() - started) / 60_000).toFixed(1)} minutes, seed ${seed}: ${verdict}`)
  process.exitCode = complaints.length === 0 ? 0 : 1
} else {
  for (const each of operations) runFailing(each, nth, settings)
  print(`${operations.length} runs: every error was told, nothing acknowledged was lost`)
}
