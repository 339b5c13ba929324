/**
 * Replay: one execution again, from the string that a failure printed.
 *
 *   fault-fault:0x57.1x12.0x3.w1x4.1
 *
 * Harness, then runs: thread 0 makes 57 steps, thread 1 makes 12, thread 0 goes on; w1: of several sleepers
 * the step there wakes thread 1. The last run has no length: it goes on to the end.
 */
import { Choice } from '../control.js'
import { type Given, type Plan, type Scheduler, SchedulerMode } from './scheduler.js'

export class Replay implements Scheduler {
  readonly name = 'replay'
  #plan: Plan | undefined

  constructor(given: readonly Given[]) {
    this.#plan = { mode: SchedulerMode.Follow, given, bound: 0 }
  }

  next(): Plan | undefined {
    const plan = this.#plan
    this.#plan = undefined
    return plan
  }

  learn(): void {
    // There is only one.
  }
}

export function formatReplay(harness: string, taken: readonly Given[]): string {
  const runs: string[] = []
  for (const [i, { step, choice }] of taken.entries()) {
    const thread = choice & Choice.Thread
    const next = taken[i + 1]
    const length = next === undefined ? '' : `x${next.step - step}`
    runs.push((choice & Choice.Wake) !== 0 ? `w${thread}${length}` : `${thread}${length}`)
  }
  return `${harness}:${runs.join('.')}`
}

/** Errors: RangeError for a string that formatReplay did not make. */
export function parseReplay(text: string): { harness: string; given: Given[] } {
  const [, harness, runs] = /^([a-z0-9-]+):(.+)$/.exec(text) ?? []
  if (harness === undefined || runs === undefined) throw new RangeError(`not a replay string: '${text}'`)
  const given: Given[] = []
  let step = 0
  for (const run of runs.split('.')) {
    const [, wake, thread, length] = /^(w?)([0-3])(?:x(\d+))?$/.exec(run) ?? []
    if (thread === undefined) throw new RangeError(`'${run}' in '${text}' is no run of steps`)
    given.push({ step, choice: Number(thread) | (wake === 'w' ? Choice.Wake : 0) })
    step += Number(length ?? 0)
  }
  return { harness, given }
}
