/**
 * A number of states at each moment, drawn by a seeded generator, besides the two extremes. For runs with too
 * many lines in flight for the other engines: what it does not find may still be there.
 */
import { Prng } from '../../prng.js'
import type { Engine } from '../state-space.js'

export function random(seed: number, statesPerMoment: number): Engine {
  const prng = new Prng(seed)
  return function* (space) {
    for (const which of ['lost', 'kept'] as const) {
      space.chooseAll(which)
      yield
    }
    for (let i = 0; i < statesPerMoment && space.lines > 0; i++) {
      for (let line = 0; line < space.lines; line++) space.choose(line, prng.below(space.choices(line)))
      yield
    }
  }
}
