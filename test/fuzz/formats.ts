/**
 * The text formats faultline reads, each with good samples, a reader, and the errors it may end in. The notes of a pool
 * are apart, in formats.test.ts: they are read by mounting.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCampaign } from '../../lib/crash/campaign.js'
import { resolveExploreOptions } from '../../lib/crash/explore-options.js'
import { reportPage } from '../../lib/crash/html/page.js'
import { Journal } from '../../lib/crash/journal.js'
import { logSubject } from '../../lib/crash/log-subject.js'
import { mergeReports } from '../../lib/crash/merge.js'
import { parsePmemcheckLog } from '../../lib/crash/pmemcheck-log.js'
import { requireReport } from '../../lib/crash/report-form.js'
import { type Region, type Report, explore, reportText } from '../../lib/index.js'
import { parseScenarios } from '../../lib/replay/scenario.js'
import { readSource } from '../support/sources.js'

export interface Format {
  readonly name: string
  readonly samples: readonly string[]
  /** Names of the errors it may throw; their messages say what was expected. */
  readonly errors: readonly string[]
  read(bytes: Buffer): unknown
}

/** Scenarios with every kind of field, of the collection the kernels have answered. */
export function sampleScenarios(): readonly unknown[] {
  return (JSON.parse(readSource('test/oracle/scenarios.json').text) as unknown[]).slice(0, 40)
}

const PMEMCHECK = [
  'START',
  'REGISTER_FILE;/pool/a;0x1000;0x2000;0x0',
  'STORE;0x1000;0x1;0x8',
  'FLUSH;0x1000;0x40',
  'FENCE',
  'operation.BEGIN',
  'STORE;0x1040;0xffffffffffffffff;0x8;main.c:7',
  'STORE;0x103c;0x1122334455667788;0x8',
  'FLUSH;0x1000;0x100',
  'FENCE',
  'operation.END',
  'REGISTER_FILE;/pool/a;0x9000;0x1000;0x2000',
  'STORE;0x9008;0x7;0x4',
  'STOP',
].join('|')

/** What recovery of an image costs here is nothing; the limits are for logs of very many states. */
const LIMITS = resolveExploreOptions({ seconds: 0.05, maxStates: 200, timeLimit: 1000 })

async function readPmemcheck(bytes: Buffer): Promise<void> {
  const parsed = parsePmemcheckLog(bytes.toString())
  const [file] = parsed.files
  if (file === undefined) return
  const report = await runCampaign(logSubject(parsed, file, undefined, { check: () => true }, LIMITS), LIMITS)
  reportPage(report)
}

/** A report with a failure, findings and a timeline in it. */
async function sampleReport(): Promise<Report> {
  return explore({
    name: 'sample',
    workload: (region: Region) => {
      region.mark('insert')
      region.store64(0, 1)
      region.operation('one', () => region.store64(64, 2))
      region.acknowledged('one')
    },
    recover: (region: Region) => [region.load64(0), region.load64(64)],
    check: (state) => state.every((word) => word !== 0n),
  })
}

export const IDENTITY = 'of this run'

/** What a journal says: looks before `end` are over, and this came of them. */
export function readJournal(path: string, looks: number): string {
  const journal = new Journal(path, IDENTITY, true)
  const recalled = Array.from({ length: looks }, (_, look) => journal.recall(look) ?? 'none')
  journal.close()
  return JSON.stringify([journal.resumedAt, recalled])
}

export function writeJournal(path: string, looks: number): void {
  rmSync(path, { force: true })
  const journal = new Journal(path, IDENTITY, true)
  for (let look = 0; look < looks; look++) {
    journal.begin(look)
    journal.add(look, look % 3 === 0 ? { complaint: { oracle: 'invariant', message: `wrong ${look}` } } : {})
  }
  journal.close()
}

export async function textFormats(scratch: string): Promise<readonly Format[]> {
  const report = await sampleReport()
  const shards = [1, 2].map((index) => ({ ...report, shard: { index: index - 1, count: 2 } }))
  return [
    {
      name: 'scenarios of replay',
      samples: [JSON.stringify(sampleScenarios())],
      errors: ['ScenarioError'],
      read: (bytes) => parseScenarios(bytes.toString()),
    },
    { name: 'store logs of pmemcheck', samples: [PMEMCHECK], errors: ['StoreLogError'], read: readPmemcheck },
    {
      name: 'reports to be merged',
      samples: [JSON.stringify(report), ...shards.map((shard) => JSON.stringify(shard))],
      errors: ['SyntaxError', 'TypeError', 'RangeError', 'MergeError'],
      read: (bytes) => {
        const merged = mergeReports([requireReport('report', JSON.parse(bytes.toString()))])
        return [reportText(merged), reportPage(merged)]
      },
    },
    {
      name: 'journals',
      samples: [3, 40].map((looks) => {
        const path = join(scratch, 'sample')
        writeJournal(path, looks)
        return readFileSync(path, 'utf8')
      }),
      errors: ['JournalError'],
      read: (bytes) => {
        const path = join(scratch, 'damaged')
        writeFileSync(path, bytes)
        return readJournal(path, 40)
      },
    },
  ]
}
