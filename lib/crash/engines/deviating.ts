/**
 * States in which at most k lines deviate: from losing everything that is pending, and from keeping all of it. Small
 * deviations find most bugs (few lines are in flight between two fences of real programs), and their number grows with
 * the k-th power of the lines instead of exponentially.
 */
import type { Engine, StateSpace } from '../state-space.js'

export function deviating(k: number): Engine {
  return function* (space) {
    for (const which of ['lost', 'kept'] as const) {
      space.chooseAll(which)
      yield
      yield* deviate(space, which, 0, k)
    }
  }
}

function* deviate(space: StateSpace, which: 'lost' | 'kept', from: number, k: number): Generator<void, void> {
  if (k === 0) return
  for (let line = from; line < space.lines; line++) {
    const usual = which === 'lost' ? 0 : space.choices(line) - 1
    for (let choice = 0; choice < space.choices(line); choice++) {
      if (choice === usual) continue
      space.choose(line, choice)
      yield
      yield* deviate(space, which, line + 1, k - 1)
    }
    space.choose(line, usual)
  }
}
