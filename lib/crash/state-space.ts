/**
 * The crash states of one moment, as an engine sees them: a few lines, each with a few choices. An engine walks among
 * them by changing lines, and yields wherever the image is to be looked at. What a step costs is what it changes.
 */
import type { ChangedLine } from './changed-line.js'
import type { Moment } from './timeline.js'

/** Visit states of one moment: choose, yield, choose, yield. It may be left alone at any yield. */
export type Engine = (space: StateSpace) => Generator<void, void>

export class StateSpace {
  readonly #moment: Moment
  readonly #put: (line: ChangedLine, variant: number) => void
  readonly #linesRead: ReadonlySet<ChangedLine>

  /** put: makes a variant the one the image has; linesRead: what recovery has read so far at this moment. */
  constructor(
    moment: Moment,
    put: (line: ChangedLine, variant: number) => void,
    linesRead: ReadonlySet<ChangedLine> = new Set(),
  ) {
    this.#moment = moment
    this.#put = put
    this.#linesRead = linesRead
  }

  /** Lines with choices; they are numbered from 0. */
  get lines(): number {
    return this.#moment.lines.length
  }

  choices(line: number): number {
    return this.#line(line).choices.length
  }

  /** Was this choice not there at the moment before? A state of choices that all were has been seen. */
  isNew(line: number, choice: number): boolean {
    if (this.#moment.isAllNew) return true
    const changed = this.#line(line)
    return changed.seenAt[changed.choices[choice]?.variant ?? 0] !== this.#moment.number - 1
  }

  choose(line: number, choice: number): void {
    const changed = this.#line(line)
    const variant = changed.choices[choice]?.variant ?? changed.floor
    if (variant !== changed.chosen) this.#put(changed, variant)
  }

  /** Every line with nothing (or everything) that is pending. */
  chooseAll(which: 'lost' | 'kept'): void {
    for (let line = 0; line < this.lines; line++) this.choose(line, which === 'lost' ? 0 : this.choices(line) - 1)
  }

  /** The choice of a line that has what was stored to it up to and including operation `op`. */
  choiceUpTo(line: number, op: number): number {
    return this.#line(line).choiceUpTo(op)
  }

  /** Operations whose stores are pending, in order. */
  pendingOps(): number[] {
    const ops = new Set(this.#moment.lines.flatMap(({ pending }) => pending.map(({ op }) => op)))
    return [...ops].sort((a, b) => a - b)
  }

  /** Has recovery read this line, in any state looked at so far at this moment? */
  wasRead(line: number): boolean {
    return this.#linesRead.has(this.#line(line))
  }

  #line(line: number): ChangedLine {
    return this.#moment.lines[line] as ChangedLine
  }
}
