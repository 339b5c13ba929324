/**
 * A power failure at the end of a round, and what must have survived it.
 *
 * First everything is synced, so that media has all bytes. Then the threads race once more, for a short time: each
 * stores to lines that only it stores to, flushes some of them, syncs now and then, and keeps every state each line
 * has had. Then the power fails. A line that was stored to may be in any of its states, but none older than the
 * newest that a flush and a fence, or a sync, has made durable (D9: stores to a line reach media in order). All
 * other bytes are as they were.
 */
import type { Prng } from '../../prng.js'
import { Mismatch, place } from '../mismatch.js'
import { Operation } from '../operations.js'
import type { Stage } from '../stage.js'
import { fence } from '../target.js'
import type { MixedFile } from './mixed-file.js'
import { STRIPED, stripeOwner } from './mixed-layout.js'

const PAGE = 4096
const LINE = 64
const LINES_PER_PAGE = PAGE / LINE
const STORES = 150

/** A line since the last sync of everything. */
interface LineHistory {
  readonly file: MixedFile
  readonly line: number
  /** Oldest first; [0] is what was synced. */
  readonly states: Uint8Array[]
  /** Of the states, the newest that is known to be durable. */
  durable: number
  /** Of the states, the one that an unfenced flush took. */
  flushed: number
}

/** All threads. prng: the same in all of them. */
export function losePowerAndCheck(stage: Stage, files: readonly MixedFile[], prng: Prng): void {
  const survive = (['none', 'random', 'all'] as const)[prng.below(3)] ?? 'none'
  const seed = prng.next()
  for (let i = stage.thread; i < files.length; i += stage.threads) files[i]?.target.sync()
  stage.barrier()
  const histories = race(stage, files, stage.prng(stage.round, stage.thread, 5))
  stage.barrier()
  if (stage.isLeader) {
    stage.op(Operation.Crash, 0, 0, 0)
    stage.pmem.crash({ survive, seed })
  } else {
    loadMeanwhile(stage, files)
  }
  stage.barrier()
  for (const history of histories.values()) check(history, survive === 'all')
  stage.barrier()
}

function race(stage: Stage, files: readonly MixedFile[], prng: Prng): Map<string, LineHistory> {
  const histories = new Map<string, LineHistory>()
  for (let i = 0; i < STORES; i++) {
    const file = files[prng.below(files.length)] as MixedFile
    const line = ownLine(stage, file, prng)
    if (line === undefined) continue
    const history = historyOf(histories, file, line)
    store(stage, history, prng)
    if (prng.chance(0.3)) {
      file.map.flush(line * LINE, LINE)
      history.flushed = history.states.length - 1
    }
    if (prng.chance(0.1)) {
      fence(stage)
      for (const each of histories.values()) each.durable = Math.max(each.durable, each.flushed)
    }
    if (prng.chance(0.05)) syncSome(file, histories, prng)
  }
  return histories
}

/** A line nobody else stores to. */
function ownLine(stage: Stage, file: MixedFile, prng: Prng): number | undefined {
  const chunk = file.chunks[prng.below(file.chunks.length)]
  if (chunk === undefined) return undefined
  // Few lines of few pages, so that a line is stored to more than once.
  const line = (chunk.first + prng.below(Math.min(4, chunk.pages))) * LINES_PER_PAGE + prng.below(8)
  const owner = chunk.owner === STRIPED ? stripeOwner(line, stage.threads) : chunk.owner
  return owner === stage.thread ? line : undefined
}

function historyOf(histories: Map<string, LineHistory>, file: MixedFile, line: number): LineHistory {
  const key = `${file.number} ${line}`
  const known = histories.get(key)
  if (known !== undefined) return known
  const made = { file, line, states: [file.shadow.slice(line * LINE, (line + 1) * LINE)], durable: 0, flushed: 0 }
  histories.set(key, made)
  return made
}

function store(stage: Stage, { file, line, states }: LineHistory, prng: Prng): void {
  const word = line * 8 + prng.below(8)
  // Half of the 8 bytes are random: no two states are alike.
  const value = prng.next() + 2 ** 33 * (1 + states.length)
  stage.op(Operation.Store, file.number, word * 8, 8)
  file.map.doubles[word] = value
  file.shadowDoubles[word] = value
  states.push(file.shadow.slice(line * LINE, (line + 1) * LINE))
}

/** After a sync, what this thread stored before it is durable. */
function syncSome(file: MixedFile, histories: Map<string, LineHistory>, prng: Prng): void {
  let first = 0
  let pages = file.pages
  if (prng.chance(0.5)) {
    file.target.sync()
  } else {
    first = prng.below(file.pages)
    pages = 1 + prng.below(file.pages - first)
    file.map.msync(first * PAGE, pages * PAGE)
  }
  for (const history of histories.values()) {
    const page = Math.floor(history.line / LINES_PER_PAGE)
    if (history.file === file && page >= first && page < first + pages) history.durable = history.states.length - 1
  }
}

/** So that faults race with the failure. What is loaded may be of before or after it. */
function loadMeanwhile(stage: Stage, files: readonly MixedFile[]): void {
  const prng = stage.prng(stage.round, stage.thread, 6)
  for (let i = 0; i < 100; i++) {
    const file = files[prng.below(files.length)] as MixedFile
    const offset = prng.below(file.pages * PAGE)
    stage.op(Operation.Load, file.number, offset, 1)
    file.map.mapping.tryRead(offset, 1)
  }
}

function check({ file, line, states, durable }: LineHistory, all: boolean): void {
  const actual = new Uint8Array(LINE)
  file.target.read(actual, line * LINE)
  const state = states.findLastIndex((bytes) => Buffer.compare(bytes, actual) === 0)
  const least = all ? states.length - 1 : durable
  if (state < least) {
    const found = state < 0 ? 'in no state it ever had' : `in state ${state}`
    const where = `${file.name}, line at ${place(line * LINE)}`
    throw new Mismatch(
      `${where} is ${found} after a power failure; states 0 to ${states.length - 1}, ${least} at least`,
    )
  }
  file.shadow.set(actual, line * LINE)
}
