/**
 * All combinations of some choices of each line, in an order in which neighbours differ in one line: the reflected Gray
 * code in mixed radix. So the next image costs one line.
 */
import type { StateSpace } from '../state-space.js'

/** choices: for each line of the space the numbers to combine, at least one each. */
export function* product(space: StateSpace, choices: readonly (readonly number[])[]): Generator<void, void> {
  if (choices.some((numbers) => numbers.length === 0)) return
  const at = choices.map(() => 0)
  const step = choices.map(() => 1)
  for (const [line, numbers] of choices.entries()) space.choose(line, numbers[0] as number)
  yield
  for (;;) {
    let line = 0
    for (; line < choices.length; line++) {
      const next = (at[line] as number) + (step[line] as number)
      const numbers = choices[line] as readonly number[]
      if (next >= 0 && next < numbers.length) {
        at[line] = next
        space.choose(line, numbers[next] as number)
        break
      }
      step[line] = -(step[line] as number)
    }
    if (line === choices.length) return
    yield
  }
}

/** All choices of a line. */
export function allChoices(space: StateSpace, line: number): number[] {
  return Array.from({ length: space.choices(line) }, (_, choice) => choice)
}
