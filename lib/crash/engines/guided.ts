/**
 * All states that recovery can tell apart: only lines that it reads are varied.
 *
 * Which lines it reads depends on what it finds, so the set grows: all combinations of the lines read so far are
 * looked at, and again while looking at them has added lines. A line that was read in none of these states has had no
 * influence on any of them, whatever it holds; it stays as last stored.
 */
import type { StateSpace } from '../state-space.js'
import { allChoices, product } from './product.js'

export function* guided(space: StateSpace): Generator<void, void> {
  space.chooseAll('kept')
  yield
  for (let read = linesRead(space), before = 0; read.length > before; read = linesRead(space)) {
    before = read.length
    const varied = new Set(read)
    const choices = Array.from({ length: space.lines }, (_, line) =>
      varied.has(line) ? allChoices(space, line) : [space.choices(line) - 1],
    )
    yield* product(space, choices)
  }
}

function linesRead(space: StateSpace): number[] {
  return Array.from({ length: space.lines }, (_, line) => line).filter((line) => space.wasRead(line))
}
