/** Running a scheduler to its end over a harness, and what came of it. */
import type { Explorer } from './explorer.js'
import { DepthFirst } from './schedulers/depth-first.js'
import { formatReplay } from './schedulers/replay.js'
import type { Run, Scheduler } from './schedulers/scheduler.js'
import type { Violation } from './violation.js'

/** How long the event loop may be kept waiting. */
const SLICE_MILLISECONDS = 100

export interface Finding extends Violation {
  /** Makes the same execution again. */
  readonly replay: string
  readonly preemptions: number
}

export interface Outcome {
  readonly scheduler: string
  /** Of a depth-first scheduler those with the final set of competing words. */
  readonly executions: number
  /** All that were made. */
  readonly made: number
  /** Different final states. */
  readonly states: ReadonlySet<string>
  readonly finding: Finding | undefined
  /** Of the longest execution. */
  readonly steps: number
  readonly seconds: number
  /** False when the time ran out first. */
  readonly complete: boolean
}

export interface ExploreOptions {
  readonly seconds?: number
  /** Told now and then how many executions were made. */
  readonly progress?: (made: number) => void
}

/** Stops at the first violation. */
export async function explore(
  explorer: Explorer,
  scheduler: Scheduler,
  { seconds = Infinity, progress = () => undefined }: ExploreOptions = {},
): Promise<Outcome> {
  const begun = performance.now()
  const states = new Set<string>()
  let made = 0
  let steps = 0
  let finding: Finding | undefined
  let complete = false
  let slice = begun
  for (;;) {
    const plan = scheduler.next()
    if (plan === undefined) {
      complete = true
      break
    }
    const run = explorer.run(plan)
    made++
    steps = Math.max(steps, run.steps)
    if (run.violation !== undefined) {
      finding = describe(explorer, run, run.violation)
      break
    }
    states.add(run.state)
    scheduler.learn(run)
    const now = performance.now()
    if (now - slice < SLICE_MILLISECONDS) continue
    if (now - begun > seconds * 1000) break
    progress(made)
    await new Promise(setImmediate)
    slice = performance.now()
  }
  const executions = scheduler instanceof DepthFirst ? scheduler.executions : made
  const elapsed = (performance.now() - begun) / 1000
  return { scheduler: scheduler.name, executions, made, states, finding, steps, seconds: elapsed, complete }
}

function describe(explorer: Explorer, run: Run, violation: Violation): Finding {
  return { ...violation, replay: formatReplay(explorer.harness.name, run.taken), preemptions: run.preemptions }
}

/** What a person has to know of a finding. */
export function tellFinding(finding: Finding): string {
  const again = `npm run test:schedule -- --replay ${finding.replay}`
  return `${finding.kind} after ${finding.preemptions} preemptions\n${finding.message}\nagain: ${again}`
}
