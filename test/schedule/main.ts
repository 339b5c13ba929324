/**
 * The full form: every harness, depth first with its bound, then PCT and random schedules. Or one execution again.
 *
 *   npm run test:schedule
 *   npm run test:schedule -- --harness fault-huge --bound 3
 *   npm run test:schedule -- --replay fault-fault:0x57.1x12.0
 *
 * Exit codes: 0 nothing found, 1 a violation, 2 wrong arguments.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { type Outcome, explore, tellFinding } from './explore.js'
import { Explorer } from './explorer.js'
import type { Harness } from './harness.js'
import { HARNESSES } from './harnesses/all.js'
import { findHarness } from './harnesses/registry.js'
import { DepthFirst } from './schedulers/depth-first.js'
import { Pct } from './schedulers/pct.js'
import { RandomScheduler } from './schedulers/random.js'
import { Replay, parseReplay } from './schedulers/replay.js'
import { RoundRobin } from './schedulers/round-robin.js'
import type { Scheduler } from './schedulers/scheduler.js'

const PCT_DEPTH = 4
const RANDOM_EXECUTIONS = 1000
const LONGEST_TURN = 20

interface Arguments {
  readonly replay: string | undefined
  readonly harness: string | undefined
  readonly bound: number | undefined
  readonly seed: number
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      replay: { type: 'string' },
      harness: { type: 'string' },
      bound: { type: 'string' },
      seed: { type: 'string' },
    },
  })
  return {
    replay: values.replay ?? process.env['REPLAY'],
    harness: values.harness,
    bound: values.bound === undefined ? undefined : toNumber('bound', values.bound),
    seed: values.seed === undefined ? Date.now() % 2 ** 31 : toNumber('seed', values.seed),
  }
}

function toNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 0) throw new RangeError(`--${name} is a natural number, not '${text}'`)
  return number
}

/** Return: whether the violation came again. */
async function replay(text: string): Promise<boolean> {
  const { harness, given } = parseReplay(text)
  const explorer = await Explorer.start(findHarness(harness))
  try {
    const { finding, steps } = await explore(explorer, new Replay(given))
    console.log(finding === undefined ? `${harness}: ${steps} steps, nothing found` : tellFinding(finding))
    return finding !== undefined
  } finally {
    await explorer.stop()
  }
}

/** One line that counts, where there is a terminal. */
function show(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

interface Result {
  readonly harness: Harness
  readonly bound: number
  readonly outcomes: readonly Outcome[]
}

async function exploreFully(harness: Harness, bound: number, seed: number): Promise<Result> {
  const { threads } = harness
  const schedulers: Scheduler[] = [
    new DepthFirst(bound),
    new Pct(seed, threads.length, PCT_DEPTH, RANDOM_EXECUTIONS),
    new RandomScheduler(seed, RANDOM_EXECUTIONS),
    new RoundRobin(LONGEST_TURN),
  ]
  const outcomes: Outcome[] = []
  const explorer = await Explorer.start(harness)
  try {
    for (const scheduler of schedulers) {
      const progress = (made: number): void => show(`${harness.name}, ${scheduler.name}: ${made} executions`)
      outcomes.push(await explore(explorer, scheduler, { progress }))
      if (outcomes.at(-1)?.finding !== undefined) break
    }
  } finally {
    await explorer.stop()
  }
  show('')
  return { harness, bound, outcomes }
}

function printTable(results: readonly Result[]): void {
  const head = [
    'harness',
    'threads',
    'bound',
    'executions',
    'PCT, random, turns',
    'states',
    'steps',
    'seconds',
    'found',
  ]
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
  })
  for (const { harness, bound, outcomes } of results) {
    const states = new Set(outcomes.flatMap((outcome) => [...outcome.states]))
    const others = outcomes.slice(1).reduce((sum, { made }) => sum + made, 0)
    const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0)
    const found = outcomes.find(({ finding }) => finding !== undefined)?.finding?.kind ?? 'nothing'
    const executions = outcomes[0]?.executions ?? 0
    const steps = Math.max(...outcomes.map((outcome) => outcome.steps))
    const names = harness.threads.map(({ name }) => name).join(' | ')
    table.push([
      `${harness.name}\n  ${names}`,
      harness.threads.length,
      bound,
      executions,
      others,
      states.size,
      steps,
      seconds.toFixed(1),
      found,
    ])
  }
  console.log(table.toString())
}

async function exploreAll({ harness, bound, seed }: Arguments): Promise<boolean> {
  const chosen = harness === undefined ? HARNESSES : [findHarness(harness)]
  const results: Result[] = []
  console.log(`seed ${seed}`)
  for (const each of chosen) {
    const result = await exploreFully(each, bound ?? each.fullBound ?? (each.threads.length === 2 ? 3 : 2), seed)
    results.push(result)
    const [depthFirst] = result.outcomes
    const seconds = result.outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0)
    console.log(
      `${each.name}: ${depthFirst?.executions ?? 0} executions with bound ${result.bound}, ${seconds.toFixed(1)} s`,
    )
    for (const { finding } of result.outcomes) if (finding !== undefined) console.log(tellFinding(finding))
  }
  printTable(results)
  return results.some(({ outcomes }) => outcomes.some(({ finding }) => finding !== undefined))
}

try {
  const given = readArguments()
  const found = given.replay === undefined ? await exploreAll(given) : await replay(given.replay)
  process.exitCode = found ? 1 : 0
} catch (error) {
  const wrong = error instanceof RangeError || (error instanceof TypeError && 'code' in error)
  if (!wrong) throw error
  console.error(error.message)
  process.exitCode = 2
}
