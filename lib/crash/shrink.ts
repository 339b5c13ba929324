/**
 * The smallest way to fail like this: which stores have to be lost, or which have to be kept, and no others.
 *
 * Two readings of a failing state. From "everything pending reached media" it differs by what was lost; from "nothing
 * pending did" by what was kept. For each reading lines are moved back to where they would be, whole lines first and
 * then store by store, as long as it still fails. The smaller result is told, or what was lost when that is little.
 */
import type { ChangedLine } from './changed-line.js'
import type { FailingState } from './exploration.js'
import type { StateReplay } from './replay-state.js'

export interface ShrunkState {
  /** 'lost': everything pending reached media but `ops`. 'kept': nothing pending did but `ops`. */
  readonly reading: 'lost' | 'kept'
  /** Stores of the log, in order. */
  readonly ops: readonly number[]
  /** For each line of the moment the number of its choice. */
  readonly choices: readonly number[]
  readonly message: string
}

/** Looks spent on one failure. */
const LOOKS_MAX = 400
/** Stores that are taken in at a glance. */
const FEW = 3

/** timeLimit: milliseconds of one look; one that takes longer does not fail as the others do. */
export async function shrink(replay: StateReplay, failure: FailingState, timeLimit: number): Promise<ShrunkState> {
  const variants = new Map(failure.variants)
  const start = replay.lines.map((line) =>
    Math.max(
      line.choices.findIndex(({ variant }) => variant === variants.get(line.index)),
      0,
    ),
  )
  const lost = await shrinkTowards('lost', replay, start, failure, timeLimit)
  const kept = await shrinkTowards('kept', replay, start, failure, timeLimit)
  // What was lost is what a reader looks for, as long as it is little.
  if (lost.ops.length > 0 && lost.ops.length <= FEW) return lost
  return kept.ops.length < lost.ops.length ? kept : lost
}

async function shrinkTowards(
  reading: ShrunkState['reading'],
  replay: StateReplay,
  start: readonly number[],
  failure: FailingState,
  timeLimit: number,
): Promise<ShrunkState> {
  let choices = [...start]
  let { message } = failure
  let looks = 0
  const tryChoice = async (line: number, choice: number): Promise<boolean> => {
    if (choice === choices[line] || looks++ >= LOOKS_MAX) return false
    const next = choices.with(line, choice)
    replay.choose(next)
    const complaint = await replay.look(timeLimit)
    // Another oracle would be another failure.
    if (complaint?.oracle !== failure.oracle) return false
    message = complaint.message
    choices = next
    return true
  }
  const usual = (line: ChangedLine): number => (reading === 'lost' ? line.choices.length - 1 : 0)
  for (const [i, line] of replay.lines.entries()) await tryChoice(i, usual(line))
  for (const [i, line] of replay.lines.entries()) {
    const size = (choice: number): number => deviationOf(line, choice, reading).size
    const smaller = line.choices
      .map((_, choice) => choice)
      .filter((choice) => size(choice) < size(choices[i] as number))
      .sort((a, b) => size(a) - size(b))
    for (const choice of smaller) if (await tryChoice(i, choice)) break
  }
  const ops = new Set(replay.lines.flatMap((line, i) => [...deviationOf(line, choices[i] as number, reading)]))
  return { reading, ops: [...ops].sort((a, b) => a - b), choices, message }
}

/** Stores by which a choice differs from everything kept, or everything lost. */
function deviationOf(line: ChangedLine, choice: number, reading: ShrunkState['reading']): Set<number> {
  const { kept } = line.choices[choice] ?? { kept: [] }
  const ops = new Set<number>()
  for (const [i, atom] of line.pending.entries()) {
    if (!atom.certain && kept[i] === (reading === 'kept')) ops.add(atom.op)
  }
  return ops
}
