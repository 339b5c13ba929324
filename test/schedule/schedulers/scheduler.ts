/**
 * A scheduler decides which executions are made. It has two sides:
 *
 *   controller   next() plans an execution, learn() sees what came of it
 *   pick         runs in the thread whose turn it is, from nothing but control words: who runs next
 */
import type { Violation } from '../violation.js'

export const enum SchedulerMode {
  Follow = 0,
  Random = 1,
  Priority = 2,
  RoundRobin = 3,
}

/** At this step this thread runs next (or, with Choice.Wake, is the one to be woken). */
export interface Given {
  readonly step: number
  readonly choice: number
}

export interface Plan {
  readonly mode: SchedulerMode
  /** In order of steps. With PCT the steps at which the running thread falls below all others. */
  readonly given: readonly Given[]
  /** Log where something else could have been chosen, as long as fewer preemptions were made. */
  readonly bound: number
  readonly seed?: number
  /** Of a random scheduler: it switches once in so many steps. Of round robin: steps of a turn. */
  readonly rarity?: number
  /** Of each thread (PCT). */
  readonly priorities?: readonly number[]
}

/** What one execution was. */
export interface Run {
  readonly violation: Violation | undefined
  readonly steps: number
  readonly preemptions: number
  /** Every switch that was made, as given again it makes this execution. */
  readonly taken: readonly Given[]
  /** Triples (step, Decision bits, mask of possible choices). */
  readonly log: Int32Array
  /** What threads compete for has grown: executions before this one may have missed places to preempt at. */
  readonly grew: boolean
  /** The final state, for counting how many different ones there are. */
  readonly state: string
}

export interface Scheduler {
  readonly name: string
  /** Return: undefined when there is nothing left to try. */
  next(): Plan | undefined
  learn(run: Run): void
}

/**
 * forced: `current` cannot go on (asleep, finished, or it yields); then the answer must be another thread.
 * enabled: mask of the threads that can run, without `current` when forced.
 */
export type Pick = (control: Int32Array, current: number, enabled: number, forced: boolean) => number

/** The next thread after `current`, cyclically. enabled: not 0. */
export function nextInOrder(current: number, enabled: number): number {
  for (let offset = 1; ; offset++) {
    const thread = (current + offset) & 3
    if ((enabled & (1 << thread)) !== 0) return thread
  }
}
