/** Engines by name: which of the possible crash states are looked at. */
import type { Engine } from '../state-space.js'
import { deviating } from './deviating.js'
import { exhaustive } from './exhaustive.js'
import { guided } from './guided.js'
import { prefix } from './prefix.js'
import { random } from './random.js'

export const ENGINE_NAMES = ['exhaustive', 'guided', 'deviating', 'random', 'prefix'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

export interface EngineOptions {
  /** Of 'deviating': lines that deviate at most. Default 2. */
  readonly k: number
  /** Of 'random'. Default 0. */
  readonly seed: number
  /** Of 'random': states drawn at each moment. Default 1000. */
  readonly samples: number
}

export function engineOf(name: EngineName, { k, seed, samples }: EngineOptions): Engine {
  switch (name) {
    case 'exhaustive':
      return exhaustive
    case 'guided':
      return guided
    case 'deviating':
      return deviating(k)
    case 'random':
      return random(seed, samples)
    case 'prefix':
      return prefix
  }
}
