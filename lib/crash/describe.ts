/** Failures and logs as the plain data of a report. */
import { diagnose } from './diagnose.js'
import type { FailingState } from './exploration.js'
import { LINE_WORDS } from './line-hash.js'
import type { ChangedLine } from './changed-line.js'
import type { Failure, LineDifference, LoggedOperation, StoreReference } from './report.js'
import type { StateReplay } from './replay-state.js'
import type { ShrunkState } from './shrink.js'
import { OP_NAMES, OpKind, type StoreLog } from './store-log.js'

/** Operations of a log that a report has. */
const OPERATIONS_MAX = 2000
const DIFFERENCES_MAX = 64

/** shrunk: undefined when the state must not be tried again. Context: `replay` is of the failure's moment. */
export function describeFailure(
  log: StoreLog,
  replay: StateReplay,
  failing: FailingState,
  shrunk: ShrunkState | undefined,
): Failure {
  const variants = new Map(failing.variants)
  const choices =
    shrunk?.choices ??
    replay.lines.map(({ index, choices: all }) =>
      Math.max(
        all.findIndex(({ variant }) => variant === variants.get(index)),
        0,
      ),
    )
  const state: ShrunkState = shrunk ?? {
    reading: 'lost',
    ops: lostOps(replay, choices),
    choices,
    message: failing.message,
  }
  return {
    oracle: failing.oracle,
    message: state.message,
    op: failing.op,
    during: duringOf(log, replay, failing.op),
    reading: state.reading,
    stores: state.ops.map((op) => storeReference(log, op)),
    diagnosis: shrunk === undefined ? undefined : diagnose(log, replay, state),
    differences: differencesOf(replay, choices),
    variants: replay.lines.map((line, i) => [line.index, line.choices[choices[i] as number]?.variant ?? line.floor]),
  }
}

function lostOps(replay: StateReplay, choices: readonly number[]): number[] {
  const ops = new Set<number>()
  for (const [i, line] of replay.lines.entries()) {
    const kept = line.choices[choices[i] as number]?.kept
    for (const [k, atom] of line.pending.entries()) if (kept?.[k] !== true) ops.add(atom.op)
  }
  return [...ops].sort((a, b) => a - b)
}

/** The operation in progress, or else what the program last said it does. */
function duringOf(log: StoreLog, { moment }: StateReplay, end: number): string {
  if (moment.operation !== undefined) return moment.operation
  for (let op = end - 1; op >= 0; op--) if (log.kind(op) === OpKind.Mark) return log.word(op)
  return ''
}

export function storeReference(log: StoreLog, op: number): StoreReference {
  return {
    op,
    file: log.file(op),
    offset: log.offset(op),
    length: log.length(op),
    bytes: Buffer.from(log.bytes(op)).toString('hex'),
    nonTemporal: log.kind(op) === OpKind.StoreNonTemporal,
    label: log.label(op),
    location: log.where(op),
  }
}

/** Lines of the image that are not what the program stored last. */
function differencesOf(replay: StateReplay, choices: readonly number[]): LineDifference[] {
  const differences: LineDifference[] = []
  for (const [i, line] of replay.lines.entries()) {
    const image = line.choices[choices[i] as number]?.variant ?? line.floor
    const expected = line.choices.at(-1)?.variant ?? line.floor
    if (image === expected || differences.length === DIFFERENCES_MAX) continue
    const { file, offset } = line
    differences.push({ file, offset, expected: contentOf(line, expected), image: contentOf(line, image) })
  }
  return differences
}

function contentOf({ contents }: ChangedLine, variant: number): string {
  const from = contents.byteOffset + variant * LINE_WORDS * 4
  return Buffer.from(contents.buffer, from, LINE_WORDS * 4).toString('hex')
}

export function loggedOperations(log: StoreLog): LoggedOperation[] {
  return Array.from({ length: Math.min(log.count, OPERATIONS_MAX) }, (_, op) => ({
    op,
    kind: OP_NAMES[log.kind(op)] ?? '',
    thread: log.thread(op),
    file: log.file(op),
    offset: log.offset(op),
    length: log.length(op),
    label: log.label(op),
    location: log.where(op),
    word: log.isStore(op) ? '' : log.word(op),
  }))
}
