/**
 * npm run bench [-- CASE…] [--json] [--rounds N] [--pages N] [--warm N] [--cpu N | --unpinned] [--seed N]
 *
 * Without a CASE: all of them. Tables, or one JSON document with --json, on standard output; progress on standard
 * error.
 */
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { addon } from '../../lib/binding/load.js'
import { runChild } from './child.js'
import { type CaseName, type ChildRequest, FAULT_CASES, FIGURE_CASES } from './protocol.js'
import { environmentOf, renderReport } from './report.js'
import { type CaseResult, type RunOptions, measurementsOf, runCase } from './runner.js'

const CASES: readonly CaseName[] = [...FAULT_CASES, ...FIGURE_CASES]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    child: { type: 'string' },
    json: { type: 'boolean', default: false },
    unpinned: { type: 'boolean', default: false },
    cpu: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    pages: { type: 'string', default: '16384' },
    warm: { type: 'string', default: '32768' },
    syncs: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
  },
})

function natural(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} must be an integer from ${least} on but is '${text}'`)
}

/** The last CPU we may use: interrupts and other programs prefer the first. */
function chosenCpu(): number | undefined {
  if (values.unpinned) return undefined
  return values.cpu === undefined ? addon.getAffinity(0).at(-1) : natural('cpu', values.cpu, 0)
}

async function main(): Promise<void> {
  const unknown = positionals.find((name) => !(CASES as readonly string[]).includes(name))
  if (unknown !== undefined) throw new RangeError(`no case '${unknown}': there are ${CASES.join(', ')}`)
  const names = CASES.filter((name) => positionals.length === 0 || positionals.includes(name))
  const options: RunOptions = {
    rounds: natural('rounds', values.rounds, 1),
    pages: natural('pages', values.pages, 1),
    warm: natural('warm', values.warm, 0),
    syncs: natural('syncs', values.syncs, 1),
    seed: natural('seed', values.seed, 0),
    cpu: chosenCpu(),
  }
  const environment = environmentOf(options)
  const bar = new SingleBar({ format: '{bar} {value}/{total} {case}', clearOnComplete: true, stream: process.stderr })
  const total = names.reduce((sum, name) => sum + measurementsOf(name, options.rounds), 0)
  bar.start(total, 0, { case: '' })
  const results: CaseResult[] = []
  try {
    for (const name of names) {
      bar.update({ case: name })
      results.push(await runCase(name, options, () => bar.increment()))
    }
  } finally {
    bar.stop()
  }
  const report = { environment, results }
  console.log(values.json ? JSON.stringify(report, null, 2) : renderReport(report))
}

if (values.child === undefined) {
  main().catch((error: unknown) => {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
} else {
  runChild(JSON.parse(values.child) as ChildRequest)
}
