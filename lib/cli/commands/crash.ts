/** faultline crash: which power failures does a program not survive. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { runCampaign } from '../../crash/campaign.js'
import type { EngineName } from '../../crash/engines/index.js'
import { type ExploreOptions, resolveExploreOptions } from '../../crash/explore-options.js'
import type { Counts } from '../../crash/exploration.js'
import { reportPage } from '../../crash/html/page.js'
import { exploreIsolated } from '../../crash/isolate.js'
import { loadCrashTest } from '../../crash/load-test.js'
import { logSubject } from '../../crash/log-subject.js'
import { mergeReports } from '../../crash/merge.js'
import { type ParsedLog, type RegisteredFile, parsePmemcheckLog } from '../../crash/pmemcheck-log.js'
import { type Report, hasPassed } from '../../crash/report.js'
import { requireReport } from '../../crash/report-form.js'
import { findingText, reportText } from '../../crash/report-text.js'
import { CommandError, ExitStatus } from '../failure.js'
import { type Cell, formatCount, formatPairs, formatTable, print, printJson } from '../format.js'

export interface CrashCommandOptions {
  export?: string
  storeLog?: string
  file?: string
  image?: string
  checker?: string
  engine?: EngineName
  lines?: number
  seed?: number
  samples?: number
  domain?: 'adr' | 'eadr'
  maxStates?: number
  seconds?: number
  timeLimit?: number
  shard?: string
  resume?: string
  json?: boolean
  html?: string
}

/** Errors of the user's files and words, which need no stack. */
const PLAIN_ERRORS = [
  'ModuleError',
  'StoreLogError',
  'JournalError',
  'IsolatedError',
  'MergeError',
  'RangeError',
  'TypeError',
]

/** Return: Ok when the program survives. Errors: CommandError; of the host. */
export async function crashCommand(workload: string | undefined, options: CrashCommandOptions): Promise<ExitStatus> {
  if ((workload === undefined) === (options.storeLog === undefined)) {
    throw new CommandError('name either a workload (a JavaScript module) or --store-log FILE')
  }
  const progress = options.json === true ? undefined : showCounts()
  const explore = exploreOptions(options, progress)
  const report = await plainly(() =>
    workload === undefined ? exploreLog(options, explore) : exploreIsolated(resolve(workload), options.export, explore),
  )
  progress?.({ moments: 0, states: 0, images: 0, bad: 0, looks: 0, semantic: 0 })
  return tell(report, options)
}

/** faultline crash-merge. Return: Ok when the program survives, in all shards. */
export async function crashMergeCommand(
  paths: readonly string[],
  options: { json?: boolean; html?: string },
): Promise<ExitStatus> {
  const report = await plainly(() => {
    const reports = paths.map((path) => {
      const text = readFileSync(path, 'utf8')
      try {
        return requireReport('report', JSON.parse(text))
      } catch (error) {
        throw new CommandError(`${path} is no report of faultline crash --json: ${(error as Error).message}`)
      }
    })
    return Promise.resolve(mergeReports(reports))
  })
  return tell(report, options)
}

function exploreOptions(options: CrashCommandOptions, onProgress: ExploreOptions['onProgress']): ExploreOptions {
  const { engine, lines, seed, samples, domain, maxStates, seconds, timeLimit, shard, resume } = options
  const given = { engine, k: lines, seed, samples, domain, maxStates, seconds, timeLimit, shard, resume, onProgress }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

async function exploreLog(options: CrashCommandOptions, explore: ExploreOptions): Promise<Report> {
  const parsed = parsePmemcheckLog(readFileSync(options.storeLog as string, 'utf8'))
  if (parsed.strays > 0) console.error(`warning: ${parsed.strays} stores were to no registered file and are left out`)
  const file = chosenFile(parsed, options.file)
  const checker = options.checker === undefined ? {} : await loadCrashTest(options.checker, options.export, 'checker')
  const image = options.image === undefined ? undefined : readFileSync(options.image)
  const resolved = resolveExploreOptions(explore)
  return runCampaign(logSubject(parsed, file, image, checker, resolved), resolved)
}

function chosenFile({ files }: ParsedLog, path: string | undefined): RegisteredFile {
  const [first, ...others] = files
  if (first === undefined) throw new CommandError('the store log registers no file')
  const found =
    path === undefined ? (others.length === 0 ? first : undefined) : files.find((file) => file.path === path)
  if (found !== undefined) return found
  throw new CommandError(
    `name one of the files of the store log with --file: ${files.map((file) => file.path).join(', ')}`,
  )
}

async function plainly<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Error && (PLAIN_ERRORS.includes(error.name) || 'code' in error)) {
      throw new CommandError(error.message)
    }
    throw error
  }
}

function tell(report: Report, { json, html }: { json?: boolean; html?: string }): ExitStatus {
  if (html !== undefined) writeFileSync(html, reportPage(report))
  if (json === true) printJson(report)
  else printReport(report, html)
  return hasPassed(report) ? ExitStatus.Ok : ExitStatus.Failed
}

function printReport(report: Report, html: string | undefined): void {
  const { counts, engine, domain, operations, seconds, failures, findings } = report
  print(
    formatPairs([
      ['engine', `${engine}, ${domain}`],
      ['operations', operations],
      ['crash states', counts.states],
      ['images', counts.images],
      ['bad images', counts.bad],
      ['results of recovery', counts.semantic],
      ['seconds', seconds.toFixed(2)],
    ]),
    '',
  )
  if (failures.length > 0) {
    const rows = failures.map(({ oracle, op, reading, stores, diagnosis }): Cell[] => [
      diagnosis === undefined
        ? oracle
        : `${diagnosis.kind}: ${diagnosis.label === '' ? diagnosis.text : diagnosis.label}`,
      oracle,
      op,
      `${stores.length} ${reading}`,
    ])
    print(formatTable(['what breaks it', 'oracle', 'at operation', 'stores'], rows), '')
  }
  print(reportText(report))
  const others = findings.filter(({ severity }) => severity !== 'error')
  if (others.length > 0) print('', 'also:', ...others.map((finding) => `  ${findingText(finding)}`))
  if (html !== undefined) print('', `page: ${html}`)
}

/** One line on a terminal that is written over; nothing elsewhere. */
function showCounts(): ((counts: Readonly<Counts>) => void) | undefined {
  if (!process.stderr.isTTY) return undefined
  return ({ states, images, bad }) => {
    const text =
      states === 0 ? '' : `  ${formatCount(states)} states, ${formatCount(images)} images, ${formatCount(bad)} bad`
    process.stderr.write(`\r${text.padEnd(60)}\r`)
  }
}
