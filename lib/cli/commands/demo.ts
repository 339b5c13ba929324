/** faultline demo: the main job on real input, in three parts. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import pc from 'picocolors'
import { type CopyResult, copyPart } from '../demo/copy-part.js'
import { crashPart } from '../demo/crash-part.js'
import { killPart } from '../demo/kill-part.js'
import { Scratch } from '../demo/scratch.js'
import { faultTable, lineTable, recordTable, sentence } from '../demo/summary.js'
import { isSound } from '../demo/verdict.js'
import { CommandError, ExitStatus, requireMachine } from '../failure.js'
import { formatBytes, print } from '../format.js'
import { makeProgress } from '../progress.js'

/** Without --file, so that the copy means something. */
const SOURCE_BYTES_MIN = 50 * 2 ** 20

export interface DemoOptions {
  rounds: number
  seed: number
  file?: string
  keep?: boolean
}

/** Return: Ok when nothing was lost or torn. Errors: CommandError, PmemError, errors of the host. */
export async function demo(options: DemoOptions): Promise<ExitStatus> {
  const { rounds, seed } = options
  requireMachine()
  const { source, bytes } = chooseSource(options.file)
  using scratch = new Scratch(options.keep === true)
  print(pc.dim(`pools in ${scratch.path}, seed ${seed}`), '')

  print(pc.bold(`1. Copy ${source} (${formatBytes(bytes)}) into a pool, map it, read it through page faults`))
  const copy = await copyPart(scratch.directory('copy'), source, bytes, makeProgress('write, sync, remount, read'))
  const sameHash = copy.sourceHash === copy.mappedHash
  printCopy(copy, sameHash)

  print(pc.bold(`2. Kill a process that appends to a mapped log, ${rounds} times, and reopen the log`))
  const kill = await killPart(
    scratch.directory('kill'),
    rounds,
    seed,
    (child) => scratch.watch(child),
    makeProgress('SIGKILL, reopen, verify'),
  )
  printOutcome(
    isSound(kill.verdict),
    `${kill.verdict.recovered} of ${kill.verdict.acknowledged} acknowledged records recovered`,
  )
  print('')

  print(pc.bold(`3. Fail the power under the same log with crash({ survive: 'random' }), ${rounds} times`))
  const crash = await crashPart(scratch.directory('crash'), rounds, seed, makeProgress('crash, reopen, verify'))
  const { linesAtRisk, linesSurvived } = crash
  printOutcome(
    isSound(crash.verdict),
    `${crash.verdict.recovered} of ${crash.verdict.acknowledged} acknowledged records recovered; ` +
      `${linesSurvived} of ${linesAtRisk} unfenced lines survived by luck`,
  )
  print('')

  const parts = [
    { title: '1 copy', totals: copy.totals },
    { title: '2 kill *', totals: kill.totals },
    { title: '3 crash', totals: crash.totals },
  ]
  const verdicts = [
    { title: '2 kill', verdict: kill.verdict },
    { title: '3 crash', verdict: crash.verdict },
  ]
  print(faultTable(parts), pc.dim('µs each: time in the fault worker, without the wake-up of the thread that faulted'))
  print(lineTable(parts), pc.dim('* as the killed processes last reported, at most milliseconds before their end'))
  print(recordTable(verdicts), '')
  print(sentence(sameHash, [kill.verdict, crash.verdict]))
  if (options.keep === true) print(pc.dim(`kept: ${scratch.path}`))
  return sameHash && isSound(kill.verdict) && isSound(crash.verdict) ? ExitStatus.Ok : ExitStatus.Failed
}

function printCopy(copy: CopyResult, sameHash: boolean): void {
  const rate = formatBytes(copy.bytes / copy.readSeconds)
  printOutcome(sameHash, `SHA-256 of the mapping ${sameHash ? 'equals' : 'DIFFERS FROM'} the file's; read at ${rate}/s`)
  print(pc.dim(`     file    ${copy.sourceHash}`), pc.dim(`     mapping ${copy.mappedHash}`), '')
}

function printOutcome(ok: boolean, text: string): void {
  print(`  ${ok ? pc.green('ok') : pc.red('FAILED')} ${text}`)
}

/** Errors: CommandError when the file cannot serve. */
function chooseSource(given: string | undefined): { source: string; bytes: number } {
  const source = given === undefined ? process.execPath : resolve(given)
  const status = statSync(source, { throwIfNoEntry: false })
  if (status === undefined) throw new CommandError(`no such file: '${source}'`)
  if (!status.isFile() || status.size === 0) throw new CommandError(`not a regular file with content: '${source}'`)
  if (given === undefined && status.size < SOURCE_BYTES_MIN) {
    const needed = formatBytes(SOURCE_BYTES_MIN)
    throw new CommandError(
      `'${source}' has only ${formatBytes(status.size)}: name a file of at least ${needed} with --file`,
    )
  }
  return { source, bytes: status.size }
}
