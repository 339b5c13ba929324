/** The two commands about power failures, as commander knows them. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CrashCommandOptions } from './commands/crash.js'

const ENGINES = ['exhaustive', 'guided', 'deviating', 'random', 'prefix']

/** done: takes the status of the command. */
export function addCrash(program: Command, done: (status: number) => void): void {
  program
    .command('crash')
    .summary('which power failures a program does not survive')
    .description(
      'Run a workload on emulated persistent memory and look at every image a power failure can leave of it, or at ' +
        'those of a store log of valgrind --tool=pmemcheck --log-stores=yes. The module exports workload(pool) and ' +
        'recover(pool), check(state, expected), setup(pool), usable(pool, state), size. Status 1: it does not survive.',
    )
    .argument('[workload]', 'JavaScript module')
    .option('--export <name>', 'the export of the module that has these functions')
    .option('--store-log <file>', 'a store log of pmemcheck instead of a workload')
    .option('--file <path>', 'of the files the store log registers')
    .option('--image <file>', 'what that file was before the run (default: zeroes)')
    .option('--checker <module>', 'JavaScript module that exports check and perhaps recover, for a store log')
    .addOption(new Option('--engine <name>', 'which states to look at').choices(ENGINES).default('exhaustive'))
    .option('-k, --lines <number>', "of 'deviating': how many lines deviate (default: 2)", whole)
    .option('--seed <number>', "of 'random' (default: 0)", whole)
    .option('--samples <number>', "of 'random': states at each moment (default: 1000)", whole)
    .addOption(new Option('--domain <name>', 'what survives without a flush').choices(['adr', 'eadr']).default('adr'))
    .option('--max-states <number>', 'stop after so many states', whole)
    .option('--seconds <number>', 'stop after so many seconds (default: 60)', whole)
    .option('--time-limit <ms>', 'for the workload, and for each recovery (default: 5000)', whole)
    .option('--shard <i/n>', 'look at every n-th image only; crash-merge adds up the reports')
    .option('--resume <file>', 'write progress there; go on from it when it is there')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write the report as a page')
    .action(async (workload: string | undefined, options: CrashCommandOptions) => {
      const { crashCommand } = await import('./commands/crash.js')
      done(await crashCommand(workload, options))
    })

  program
    .command('crash-merge')
    .summary('one report of many shards')
    .description('Add up the reports of faultline crash --shard … --json. Status 1 when the program does not survive.')
    .argument('<reports...>', 'JSON files')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write the report as a page')
    .action(async (paths: string[], options: { json?: boolean; html?: string }) => {
      const { crashMergeCommand } = await import('./commands/crash.js')
      done(await crashMergeCommand(paths, options))
    })
}

function whole(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}
