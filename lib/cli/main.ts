#!/usr/bin/env node
/**
 * The command line. Commands are loaded when they are run: `probe` must answer on a machine where the rest cannot even
 * be imported.
 *
 * Status: 0 done, 1 failed (one line says why), 2 wrong usage.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { requireSize } from '../args.js'
import type { StressCommandOptions } from './commands/stress.js'
import type { LockingName } from '../config.js'
import { BENCHES } from '../bench/benches.js'
import { parseSweep } from '../bench/sweep.js'
import type { BenchOptions } from './commands/bench.js'
import type { DemoOptions } from './commands/demo.js'
import type { ReplayOptions } from './commands/replay.js'
import { addCrash } from './crash-options.js'
import { ExitStatus, describeFailure } from './failure.js'
import type { InjectRule } from '../inject-rules.js'
import { injectOption, useRules } from './inject-option.js'
import { lockingOption, useLocking } from './locking-option.js'

const ROUNDS_DEFAULT = 20
const ROUNDS_MAX = 100_000
const STRESS_THREADS_MAX = 32
const STRESS_FILES_MAX = 15
const BENCH_ROUNDS_DEFAULT = 3

let status: number = ExitStatus.Ok

function makeProgram(): Command {
  const program = new Command('faultline')
    .description('Persistent memory, emulated: files you can map, fault in, sync, and lose power on.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError('(faultline --help lists commands and options)')
    .showSuggestionAfterError()
    .exitOverride()

  program
    .command('probe')
    .summary('what this machine can do')
    .description('What this machine can do; for each missing thing the reason, and the command that mends it.')
    .argument('[pool]', 'directory of a pool: its file system is probed too (writes and removes a small file there)')
    .option('--json', 'print JSON')
    .action(async (pool: string | undefined, options: { json?: boolean }) => {
      const { probeCommand } = await import('./commands/probe.js')
      status = probeCommand(pool, options)
    })

  program
    .command('stat')
    .summary('size, extents, entries and tags of a file of a pool')
    .description(
      'Size, extents (hole, unwritten, written; first page frame number), tree entries by kind, and tags of a file ' +
        'of a pool. Mounts the pool meanwhile; when another process has it mounted, shows what the host file tells.',
    )
    .argument('<file>', 'path of a media file: pool/name')
    .option('--json', 'print JSON')
    .action(async (file: string, options: { json?: boolean }) => {
      const { statCommand } = await import('./commands/stat.js')
      status = await statCommand(file, options)
    })

  program
    .command('demo')
    .summary('a real file through page faults, a log through power failures')
    .description(
      'Copy a real file into a pool and read it back through page faults; kill a process that appends to a ' +
        'mapped log and verify it, again and again; the same with emulated power failures. Status 1 when anything ' +
        'is lost.',
    )
    .option('--rounds <number>', 'power failures in each of parts 2 and 3', natural(1, ROUNDS_MAX), ROUNDS_DEFAULT)
    .option('--seed <number>', 'of payloads, of the moments of kills, of what survives', natural(0, 2 ** 31 - 1), 1)
    .option('--file <path>', 'the file to copy (default: the executable of Node.js)')
    .option('--keep', 'leave the pools where they are, and say where')
    .addOption(lockingOption())
    .action(async (options: DemoOptions & { locking?: LockingName }) => {
      useLocking(options.locking)
      const { demo } = await import('./commands/demo.js')
      status = await demo(options)
    })

  addMemoryErrors(program)
  addReplay(program)
  addTrace(program)
  addStress(program)
  addBench(program)
  addCrash(program, (result) => (status = result))
  return program
}

/** ndctl's inject-error, list --media-errors and clear-errors, for the files of a pool. */
function addMemoryErrors(program: Command): void {
  const ranged = (name: string, summary: string, description: string): Command =>
    program
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<pool>', 'directory of a pool that nobody has mounted')
      .argument('<file>', 'name of a file in it')
      .requiredOption('--offset <bytes>', 'where in the file: bytes, or a size such as 4KiB', size(0))
      .requiredOption('--length <bytes>', 'how much: bytes, or a size such as 4KiB', size(1))
  ranged(
    'poison',
    'put memory errors into a file of a pool',
    'The blocks of 512 bytes that the range lies in go bad, where the file has written blocks: loads and stores of ' +
      'their pages are SIGBUS, reads EIO, until they are cleared or overwritten.',
  )
    .option('--latent', 'nobody knows of them before the first access')
    .action(async (pool: string, file: string, options: { offset: number; length: number; latent?: boolean }) => {
      const { poisonCommand } = await import('./commands/bad-blocks.js')
      status = await poisonCommand(pool, file, options)
    })
  ranged(
    'clear',
    'take memory errors out of a file of a pool',
    'The blocks of 512 bytes that the range lies in are sound again, and read zero.',
  ).action(async (pool: string, file: string, options: { offset: number; length: number }) => {
    const { clearCommand } = await import('./commands/bad-blocks.js')
    status = await clearCommand(pool, file, options)
  })
  program
    .command('badblocks')
    .summary('list the memory errors of the files of a pool')
    .description('Known memory errors, in blocks of 512 bytes from the start of each file, as ndctl lists them.')
    .argument('<pool>', 'directory of a pool')
    .argument('[file]', 'name of a file in it (default: every file that has errors)')
    .option('--json', 'print JSON: badblock_count, and badblocks as { offset, length } in blocks of 512 bytes')
    .action(async (pool: string, file: string | undefined, options: { json?: boolean }) => {
      const { badBlocksCommand } = await import('./commands/bad-blocks.js')
      status = await badBlocksCommand(pool, file, options)
    })
}

/** A command for each benchmark: they differ in their parameters only. */
function addBench(program: Command): void {
  const group = program
    .command('bench')
    .summary('measure: page faults, msync, the tree, crash states, locking designs, mounting')
    .description('Benchmarks: each measurement in a process of its own, settings by turns, medians of the rounds.')
  for (const bench of BENCHES) {
    const lines = bench.parameters.map(({ name, help, default: values }) => `  ${name.padEnd(9)} ${help} (${values})`)
    const parse = (text: string, before: readonly string[] = []): readonly string[] => {
      const settings = [...before, text]
      try {
        parseSweep(bench.parameters, settings)
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
      }
      return settings
    }
    group
      .command(bench.name)
      .summary(bench.summary)
      .description(`${bench.description}\n\nSettings, as NAME=VALUE, NAME=1,2,4 or NAME=1:*2:8:\n${lines.join('\n')}`)
      .argument('[settings...]', 'what to sweep over', parse)
      .option('--rounds <number>', 'measurements of each setting', natural(1, ROUNDS_MAX), BENCH_ROUNDS_DEFAULT)
      .option('--seed <number>', 'of the data', natural(0, 2 ** 31 - 1), 1)
      .option('--json', 'print JSON')
      .option('--svg <file>', 'write a chart there')
      .option('--html <file>', 'write a page with chart, table and data there')
      .option('--baseline <file>', 'compare ratios with those of a file that --json made; status 3: some are worse')
      .option('--tolerance <percent>', 'with --baseline: how much a ratio may grow', natural(0, 1000), 15)
      .action(async (settings: readonly string[], options: BenchOptions, command: Command) => {
        const { benchCommand, isMeasurable } = await import('./commands/bench.js')
        const sweep = parseSweep(bench.parameters, settings)
        if (!isMeasurable(bench, sweep)) {
          command.error('error: no combination of these settings is possible: --help says what goes together')
        }
        status = await benchCommand(bench, sweep, options)
      })
  }
}

function addReplay(program: Command): void {
  program
    .command('replay')
    .summary('run scenarios, print what each operation did')
    .description(
      'Run scenarios of file and mapping operations, each in a fresh pool, and print result, page faults and kernel ' +
        'events of each operation. Status 1 when a scenario could not be run to its end.',
    )
    .argument('<scenarios>', 'JSON file: an array of { name, ops }')
    .argument('[pattern]', 'regular expression: only scenarios whose name matches', '')
    .option('--json', 'print a JSON record a line')
    .addOption(
      new Option('--flavour <name>', 'the file system to be where they differ')
        .choices(['ext4', 'xfs'])
        .default('ext4'),
    )
    .addOption(lockingOption())
    .action(async (path: string, pattern: string, options: ReplayOptions & { locking?: LockingName }) => {
      useLocking(options.locking)
      const { replayCommand } = await import('./commands/replay.js')
      status = await replayCommand(path, pattern, options)
    })
}

function addTrace(program: Command): void {
  program
    .command('trace')
    .summary('run a script, print what the kernel does for it')
    .description(
      'Run a script with Node.js and print the events of its mounts as they happen: page faults and how they were ' +
        'served, writeback, unmapping. Ends with the status of the script.',
    )
    .usage('[options] -- <script> [args...]')
    .argument('<script>', 'JavaScript file')
    .argument('[args...]', 'arguments of the script')
    .option('-o, --output <file>', 'write the events there (default: to stderr)')
    .addOption(injectOption('what fails in the mounts of the script'))
    .action(async (script: string, args: string[], options: { output?: string; inject?: InjectRule[] }) => {
      useRules(options.inject)
      const { traceCommand } = await import('./commands/trace.js')
      status = await traceCommand(script, args, options)
    })
}

function addStress(program: Command): void {
  program
    .command('stress')
    .summary('many threads on the same files, every byte checked')
    .description(
      'Threads load, store, sync, truncate, punch, collapse, read and write the same files at the same time; every ' +
        'byte they see is checked, and now and then the whole state of the mount. Status 1 at the first mismatch or ' +
        'hang, with the command that does it again. Without --operations it runs for 30 seconds.',
    )
    .option('--threads <number>', 'user threads', natural(2, STRESS_THREADS_MAX), 4)
    .option('--files <number>', 'files of the mixed workload', natural(1, STRESS_FILES_MAX), 4)
    .option('--operations <number>', 'end after so many loads, stores and calls', natural(1, Number.MAX_SAFE_INTEGER))
    .option('--seconds <number>', 'end after this time', natural(1, 2_000_000))
    .option('--seed <number>', 'of all operations', natural(0, 2 ** 31 - 1), 1)
    .addOption(
      new Option('--workload <names...>', 'only these (default: all)').choices([
        'mixed',
        'fsx',
        'holetest',
        'cow-race',
        'stale-pmd',
        'collision',
        'failing',
      ]),
    )
    .addOption(
      new Option('--flavour <name>', 'the file system to be where they differ')
        .choices(['ext4', 'xfs'])
        .default('ext4'),
    )
    .addOption(injectOption("what fails in the workload 'failing', which is then the default"))
    .option('--pool <directory>', 'make the pools there, leave one that failed (default: a temporary directory)')
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .action(async (options: StressCommandOptions) => {
      const { stressCommand } = await import('./commands/stress.js')
      status = await stressCommand(options)
    })
}

function natural(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** Bytes, in numbers or with a unit. */
function size(min: number): (text: string) => number {
  return (text) => {
    let bytes = NaN
    try {
      bytes = requireSize('size', text)
    } catch {
      // Said below.
    }
    if (bytes >= min) return bytes
    throw new InvalidArgumentError(`It must be at least ${min} bytes, in numbers or as a size such as 4KiB.`)
  }
}

function packageVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function main(args: readonly string[]): Promise<number> {
  const program = makeProgram()
  if (args.length === 0) {
    program.outputHelp()
    return ExitStatus.Ok
  }
  try {
    await program.parseAsync(args, { from: 'user' })
    return status
  } catch (error) {
    // Commander has said what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.Ok : ExitStatus.Usage
    console.error(describeFailure(error))
    return ExitStatus.Failed
  }
}

// One line each, between results, instead of Node's own form.
process.removeAllListeners('warning')
process.on('warning', ({ message }) => console.error(`warning: ${message}`))
// Whoever reads us may stop early (`faultline stat … | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(ExitStatus.Ok)
})

process.exitCode = await main(process.argv.slice(2))
