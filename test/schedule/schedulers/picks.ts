/** The thread side of each scheduler, by SchedulerMode. */
import { pickGiven } from './depth-first.js'
import { pickPriority } from './pct.js'
import { pickRandom } from './random.js'
import { pickInTurn } from './round-robin.js'
import { Control } from '../control.js'
import type { Pick } from './scheduler.js'

export const PICKS: readonly Pick[] = [pickGiven, pickRandom, pickPriority, pickInTurn]

export function pickNext(control: Int32Array, current: number, enabled: number, forced: boolean): number {
  return (PICKS[control[Control.Mode] as number] as Pick)(control, current, enabled, forced)
}

/** Who begins; without a reason the first thread. */
export function firstThread(control: Int32Array, all: number): number {
  return pickNext(control, 3, all, true)
}
