/**
 * PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte 2010): random priorities, the highest that can runs; at depth - 1
 * random steps the running thread falls below all others. A bug that needs `depth` ordered steps is found by one
 * execution with probability at least 1 / (n · k^(depth-1)), for n threads and k steps.
 */
import { Control } from '../control.js'
import { prng } from './prng.js'
import { type Given, type Plan, type Run, type Scheduler, SchedulerMode } from './scheduler.js'

const FIRST_PRIORITY = 1000

export class Pct implements Scheduler {
  readonly name: string
  readonly #random: (limit: number) => number
  #done = 0
  /** Of the longest execution so far. */
  #steps = 100

  constructor(
    readonly seed: number,
    readonly threads: number,
    readonly depth: number,
    readonly executions: number,
  ) {
    this.name = `PCT, depth ${depth}, seed ${seed}`
    this.#random = prng(seed)
  }

  next(): Plan | undefined {
    if (this.#done++ === this.executions) return undefined
    const priorities = Array.from({ length: this.threads }, (_, thread) => FIRST_PRIORITY + thread)
    for (let i = priorities.length - 1; i > 0; i--) {
      const j = this.#random(i + 1)
      const swapped = priorities[i] as number
      priorities[i] = priorities[j] as number
      priorities[j] = swapped
    }
    const steps = Array.from({ length: this.depth - 1 }, () => 1 + this.#random(this.#steps))
    const given: Given[] = steps.sort((a, b) => a - b).map((step) => ({ step, choice: 0 }))
    return { mode: SchedulerMode.Priority, given, bound: 0, priorities }
  }

  learn(run: Run): void {
    this.#steps = Math.max(this.#steps, run.steps)
  }
}

/** The given steps are change points here. */
export function pickPriority(control: Int32Array, current: number, enabled: number): number {
  for (;;) {
    const next = control[Control.NextGiven] as number
    if (next >= (control[Control.GivenLength] as number)) break
    if ((control[Control.Given + 2 * next] as number) > (control[Control.Step] as number)) break
    control[Control.NextGiven] = next + 1
    control[Control.Priority + current] = control[Control.NextPriority] as number
    control[Control.NextPriority] = (control[Control.NextPriority] as number) - 1
  }
  let best = -1
  for (let mask = enabled; mask !== 0; mask &= mask - 1) {
    const thread = 31 - Math.clz32(mask & -mask)
    const higher =
      best < 0 || (control[Control.Priority + thread] as number) > (control[Control.Priority + best] as number)
    if (higher) best = thread
  }
  return best
}
