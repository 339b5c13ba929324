/** Random: at each place where a switch could matter, one in `rarity` times it is made, to any thread. */
import { Control } from '../control.js'
import { type Plan, type Scheduler, SchedulerMode } from './scheduler.js'

export class RandomScheduler implements Scheduler {
  readonly name: string
  #done = 0

  constructor(
    readonly seed: number,
    readonly executions: number,
    readonly rarity = 6,
  ) {
    this.name = `random, seed ${seed}`
  }

  next(): Plan | undefined {
    if (this.#done === this.executions) return undefined
    const seed = (Math.imul(this.seed + 1, 0x9e3779b1) ^ Math.imul(++this.#done, 0x85ebca6b)) | 1
    return { mode: SchedulerMode.Random, given: [], bound: 0, seed, rarity: this.rarity }
  }

  learn(): void {
    // What came of it changes nothing.
  }
}

/** xorshift. Return: 0 .. limit - 1. */
export function draw(control: Int32Array, limit: number): number {
  let state = control[Control.Random] as number
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  control[Control.Random] = state
  return (state >>> 0) % limit
}

export function pickRandom(control: Int32Array, current: number, enabled: number, forced: boolean): number {
  if (!forced && draw(control, control[Control.Rarity] as number) !== 0) return current
  let count = 0
  for (let mask = enabled; mask !== 0; mask &= mask - 1) count++
  let mask = enabled
  for (let skip = draw(control, count); skip > 0; skip--) mask &= mask - 1
  return 31 - Math.clz32(mask & -mask)
}
