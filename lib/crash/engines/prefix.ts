/**
 * States that look as if the program had been stopped between two stores, with everything before on media and nothing
 * after. These are what a process that is killed leaves; caches leave more.
 */
import type { StateSpace } from '../state-space.js'

export function* prefix(space: StateSpace): Generator<void, void> {
  space.chooseAll('lost')
  yield
  for (const op of space.pendingOps()) {
    for (let line = 0; line < space.lines; line++) space.choose(line, space.choiceUpTo(line, op))
    yield
  }
}
