/** Round robin: each thread in turn, `turn` places long, for every turn from 1 to a longest one. */
import { Control } from '../control.js'
import { type Plan, type Scheduler, SchedulerMode, nextInOrder } from './scheduler.js'

export class RoundRobin implements Scheduler {
  readonly name = 'round robin'
  #turn = 0

  constructor(readonly longestTurn: number) {}

  next(): Plan | undefined {
    if (this.#turn === this.longestTurn) return undefined
    return { mode: SchedulerMode.RoundRobin, given: [], bound: 0, rarity: ++this.#turn }
  }

  learn(): void {
    // What came of it changes nothing.
  }
}

/** The random state counts the places of the turn. */
export function pickInTurn(control: Int32Array, current: number, enabled: number, forced: boolean): number {
  const places = (control[Control.Random] as number) + 1
  const over = places >= (control[Control.Rarity] as number)
  control[Control.Random] = over || forced ? 0 : places
  return over || forced ? nextInOrder(current, enabled) : current
}
