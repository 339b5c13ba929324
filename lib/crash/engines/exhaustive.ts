/**
 * Every crash state, each once.
 *
 * A state in which every line is something it could be a moment ago was seen then. The others fall apart by the first
 * line that is something new: lines before it are something old, lines after it anything. At a moment where the
 * expectation is new everything is.
 */
import type { StateSpace } from '../state-space.js'
import { allChoices, product } from './product.js'

export function* exhaustive(space: StateSpace): Generator<void, void> {
  const all: number[][] = []
  const fresh: number[][] = []
  const old: number[][] = []
  for (let line = 0; line < space.lines; line++) {
    const choices = allChoices(space, line)
    all.push(choices)
    fresh.push(choices.filter((choice) => space.isNew(line, choice)))
    old.push(choices.filter((choice) => !space.isNew(line, choice)))
  }
  if (old.every((choices) => choices.length === 0)) {
    yield* product(space, all)
    return
  }
  for (let first = 0; first < all.length; first++) {
    if ((fresh[first] as number[]).length === 0) continue
    yield* product(space, [...old.slice(0, first), fresh[first] as number[], ...all.slice(first + 1)])
  }
}
