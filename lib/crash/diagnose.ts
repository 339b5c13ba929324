/**
 * From a smallest failing state to the line of code that is missing.
 *
 * A store that was lost although something later was kept, or was promised, was not durable in time. Between it and
 * that later thing the log shows either no flush of its line, or a flush that no fence of its thread followed. When
 * nothing was lost out of order the program's own order is at fault: a crash between two stores that belong together.
 */
import { Page } from '../constants.js'
import type { ShrunkState } from './shrink.js'
import type { StateReplay } from './replay-state.js'
import { OpKind, type StoreLog } from './store-log.js'

export interface Diagnosis {
  readonly kind: 'missing flush' | 'missing fence' | 'not atomic'
  /** What the program said it did when it stored, or flushed, what was not durable in time. */
  readonly label: string
  readonly location: string
  /** What it did next, for which that had to be durable. */
  readonly before: string
  readonly text: string
}

export function diagnose(log: StoreLog, replay: StateReplay, shrunk: ShrunkState): Diagnosis {
  const { lost, kept } = pendingOf(replay, shrunk)
  const culprit = findCulprit(log, replay.moment.op, shrunk, lost, kept)
  if (culprit === undefined) return notAtomic(log, replay.moment.op, lost, kept)
  const { store, needed } = culprit
  const before = describeOp(log, needed)
  const flush = flushBetween(log, store, needed)
  const line = `line ${hex(Math.floor(log.offset(store) / Page.LineSize) * Page.LineSize)}`
  const at = flush ?? store
  const label = log.label(at)
  const kind = flush === undefined && log.kind(store) === OpKind.Store ? 'missing flush' : 'missing fence'
  const what =
    kind === 'missing flush'
      ? `${describeOp(log, store)} to ${line} is not flushed`
      : flush === undefined
        ? `the non-temporal ${describeOp(log, store)} to ${line} is not fenced`
        : `${describeOp(log, flush)} of ${line} is not followed by a fence`
  return { kind, label, location: log.where(at), before, text: `${kind}: ${what} before ${before}` }
}

/** A lost store with something later that was kept, or is promised. */
function findCulprit(
  log: StoreLog,
  end: number,
  shrunk: ShrunkState,
  lost: readonly number[],
  kept: readonly number[],
): { store: number; needed: number } | undefined {
  const candidates = shrunk.reading === 'lost' ? shrunk.ops : lost
  // The later thing is told by its own words, so look first for a pair with different ones.
  for (const isClear of [true, false]) {
    for (const store of candidates) {
      const needed = kept.find((op) => op > store && (!isClear || log.label(op) !== log.label(store)))
      if (needed !== undefined && !sameLine(log, store, needed)) return { store, needed }
    }
  }
  const promise = lastPromise(log, end)
  const store = candidates[0]
  if (store === undefined || promise === undefined || promise < store) return undefined
  return { store, needed: promise }
}

function lastPromise(log: StoreLog, end: number): number | undefined {
  for (let op = end - 1; op >= 0; op--) {
    if (log.kind(op) === OpKind.Acknowledge || log.kind(op) === OpKind.End) return op
  }
  return undefined
}

function notAtomic(log: StoreLog, end: number, lost: readonly number[], kept: readonly number[]): Diagnosis {
  const last = kept.at(-1) ?? lastStore(log, end)
  const next = lost.find((op) => last === undefined || op > last) ?? lost[0] ?? firstStore(log, end)
  const at = last ?? next ?? 0
  const before = next === undefined ? 'the next store' : describeOp(log, next)
  const text =
    last === undefined
      ? `not atomic: a crash before ${before}`
      : `not atomic: a crash between ${describeOp(log, last)} and ${before}`
  return { kind: 'not atomic', label: log.label(at), location: log.where(at), before, text }
}

/** Stores that were pending at the moment: those the state lacks, and those it has. Durable ones are in neither. */
function pendingOf(replay: StateReplay, { choices }: ShrunkState): { lost: number[]; kept: number[] } {
  const lost = new Set<number>()
  const kept = new Set<number>()
  for (const [i, line] of replay.lines.entries()) {
    const has = line.choices[choices[i] as number]?.kept
    for (const [k, atom] of line.pending.entries()) (has?.[k] === true ? kept : lost).add(atom.op)
  }
  const inOrder = (ops: Set<number>): number[] => [...ops].sort((a, b) => a - b)
  return { lost: inOrder(lost), kept: inOrder(kept) }
}

function flushBetween(log: StoreLog, store: number, end: number): number | undefined {
  const line = Math.floor(log.offset(store) / Page.LineSize)
  for (let op = store + 1; op < end; op++) {
    if (log.kind(op) !== OpKind.Flush || log.file(op) !== log.file(store)) continue
    const first = Math.floor(log.offset(op) / Page.LineSize)
    const last = Math.floor((log.offset(op) + Math.max(log.length(op), 1) - 1) / Page.LineSize)
    if (line >= first && line <= last) return op
  }
  return undefined
}

function sameLine(log: StoreLog, a: number, b: number): boolean {
  const line = (op: number): number => Math.floor(log.offset(op) / Page.LineSize)
  return log.file(a) === log.file(b) && line(a) === line(b)
}

function lastStore(log: StoreLog, end: number): number | undefined {
  for (let op = end - 1; op >= 0; op--) if (log.isStore(op)) return op
  return undefined
}

function firstStore(log: StoreLog, from: number): number | undefined {
  for (let op = from; op < log.count; op++) if (log.isStore(op)) return op
  return undefined
}

/** Return: "'append record'", or "store of 8 bytes at 0x40" when the program did not say. */
export function describeOp(log: StoreLog, op: number): string {
  const kind = log.kind(op)
  if (kind === OpKind.Acknowledge) return `acknowledged '${log.word(op)}'`
  if (kind === OpKind.End) return `the end of '${log.word(op)}'`
  const label = log.label(op)
  if (label !== '') return `'${label}'`
  const name = kind === OpKind.Flush ? 'flush' : 'store'
  return `${name} of ${log.length(op)} bytes at ${hex(log.offset(op))}`
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`
}
