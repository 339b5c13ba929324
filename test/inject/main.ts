/**
 * npm run test:inject: a workload of 500 operations with the first, the second, the third… operation of each kind
 * failing, until none is left (loop.ts; what is checked: run.ts).
 *
 *   -- --operation NAME   only this kind      -- --nth N   only this run      -- --seed N   another workload
 */
import { Command, Option } from 'commander'
import cliProgress from 'cli-progress'
import { INJECT_OPERATIONS, type InjectOperation } from '../../lib/inject-rules.js'
import { type Settings, countOperations, failEach, runFailing } from './loop.js'

interface Options {
  readonly operation?: InjectOperation
  readonly nth?: string
  readonly seed: string
}

const options: Options = new Command()
  .addOption(new Option('--operation <name>').choices([...INJECT_OPERATIONS]))
  .option('--nth <number>')
  .option('--seed <number>', '', '1')
  .parse()
  .opts()

const settings: Settings = { seed: Number(options.seed), steps: 500, stepsAfter: 60 }
const kinds = options.operation === undefined ? INJECT_OPERATIONS : [options.operation]
let runs = 0
if (options.nth === undefined) {
  const made = countOperations(settings)
  for (const operation of kinds) {
    const bar = new cliProgress.SingleBar({
      format: `  ${operation.padEnd(12)} {bar} {value}/{total} {eta_formatted}`,
      noTTYOutput: true,
      notTTYSchedule: 60_000,
    })
    bar.start(made[operation], 0)
    const failed = failEach(operation, settings, (nth) => bar.update(nth))
    bar.stop()
    console.log(`${operation}: ${failed} runs in which one failed, then one in which none was left`)
    runs += failed + 1
  }
} else {
  for (const operation of kinds) runFailing(operation, Number(options.nth), settings)
  runs = kinds.length
}
console.log(`${runs} runs: every error was told, nothing acknowledged was lost`)
