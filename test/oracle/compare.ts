/**
 * Comparing a replay with what real kernels did (golden/*.jsonl.gz, recorded in a virtual machine; see README.md).
 *
 *   level 1   results, errno, signals, loaded bytes, size and content of files
 *   level 2   and blocks, changes of times, fault counts, page tables
 *   level 3   and the ordered kernel events
 *
 * A scenario agrees when all its operations agree with the same kernel: half one and half another will not do.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { projectRoot } from '../support/sources.js'

export type Level = 1 | 2 | 3

/** A record as JSON: of ours or of a kernel. */
export type LooseRecord = Readonly<Record<string, unknown>>

export interface Kernel {
  /** 'ext4-dax-6.12'. */
  readonly name: string
  readonly scenarios: ReadonlyMap<string, readonly LooseRecord[]>
}

export interface Verdict {
  readonly scenario: string
  /** The kernel it agrees with, or that it differs least from. */
  readonly kernel: string
  readonly differences: readonly string[]
}

const oracle = join(projectRoot, 'test', 'oracle')

export function readScenarioText(): string {
  return readFileSync(join(oracle, 'scenarios.json'), 'utf8')
}

export function readKernels(): Kernel[] {
  const folder = join(oracle, 'golden')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl.gz'))
    .map((file) => {
      const text = gunzipSync(readFileSync(join(folder, file))).toString('utf8')
      const records = text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LooseRecord)
      return { name: file.replace('.jsonl.gz', ''), scenarios: byScenario(records) }
    })
}

export function byScenario(records: readonly LooseRecord[]): Map<string, LooseRecord[]> {
  const scenarios = new Map<string, LooseRecord[]>()
  for (const record of records) {
    const name = String(record['s'])
    const list = scenarios.get(name) ?? []
    list[Number(record['i'])] = record
    scenarios.set(name, list)
  }
  return scenarios
}

/** Return: how a scenario compares with the kernel that is closest. */
export function judge(
  scenario: string,
  mine: readonly LooseRecord[],
  kernels: readonly Kernel[],
  level: Level,
): Verdict {
  const verdicts = kernels
    .filter((kernel) => kernel.scenarios.has(scenario))
    .map((kernel) => ({
      scenario,
      kernel: kernel.name,
      differences: differencesOf(kernel.scenarios.get(scenario) ?? [], mine, level),
    }))
    .sort((a, b) => a.differences.length - b.differences.length)
  return verdicts[0] ?? { scenario, kernel: 'none', differences: ['no kernel ran it'] }
}

function differencesOf(golden: readonly LooseRecord[], mine: readonly LooseRecord[], level: Level): string[] {
  const found: string[] = []
  golden.forEach((expected, index) => {
    // It follows an operation that was expected to fail.
    if (expected['errno'] === 'NOMAP') return
    const place = `#${index} ${String(expected['op'])}`
    const actual = mine[index]
    if (actual === undefined) {
      found.push(`${place}: no record`)
      return
    }
    const wanted = factsOf(expected, level)
    const got = factsOf(actual, level)
    for (const fact of new Set([...wanted.keys(), ...got.keys()])) {
      const [left, right] = [wanted.get(fact), got.get(fact)]
      if (left !== right) found.push(`${place} ${fact}: expected ${left ?? 'nothing'}, got ${right ?? 'nothing'}`)
    }
  })
  return found
}

const RESULTS = ['ret', 'errno', 'sig', 'code', 'at', 'done', 'runs', 'dax']
const LOOKS: ReadonlySet<unknown> = new Set(['pagemap', 'mincore'])

/** The kernel scrambles it anew at each boot: which value was recorded says nothing. */
function withoutPointer(event: string): string {
  return event.replace(/zero_folio [0-9a-f]+/, 'zero_folio *')
}

/** What counts at a level, by name, as text. */
function factsOf(record: LooseRecord, level: Level): Map<string, string> {
  const facts = new Map<string, string>()
  const note = (name: string, value: unknown): void => {
    if (value !== undefined) facts.set(name, JSON.stringify(value))
  }
  // What the page tables hold is of no concern to a program.
  const looks = LOOKS.has(record['op'])
  if (!looks) for (const name of RESULTS) note(name, record[name])
  if (looks && level >= 2) for (const name of ['pages', 'vec']) note(name, record[name])
  if (level >= 2) note('faults', record['flt'])
  if (level >= 3) note('events', (record['ev'] as readonly string[] | undefined)?.map(withoutPointer))
  const files = (record['st'] ?? {}) as Readonly<Record<string, LooseRecord | null>>
  for (const [path, state] of Object.entries(files)) {
    if (state === null) continue
    note(`size of ${path}`, state['size'])
    note(`content of ${path}`, state['runs'])
    if (level < 2) continue
    note(`blocks of ${path}`, state['blocks'])
    note(`times of ${path}`, [state['mt'], state['ct']])
  }
  return facts
}
