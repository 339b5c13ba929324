/** One measurement of `faultline bench copies`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isOnTmpfs } from '../../binding/file-system.js'
import { Page } from '../../constants.js'
import { type DaxMapping, mount } from '../../index.js'
import type { FaultName } from '../../stats.js'
import { AtomicWords } from '../../sync/shared-words.js'
import type { MeasureContext, Measurement } from '../bench.js'
import { writeDataFile, writeHoleFile } from '../faults/data-file.js'
import { fold } from '../fold.js'
import type { Setting } from '../sweep.js'
import type { CopiesOp } from './copies.js'

const FILE = 'copies.pm'
const PAGE_WORDS = Page.Size / 4
/** Of the pages, for compiled code. */
const WARM_SHARE = 0.5
const SYNC_PAGES = 100
/** A fault worker on the same CPU is still unlocking the last page. */
const PAUSE_MS = 0.2

/** Context: a process that does nothing else. */
export function measureCopies(setting: Setting, { directory, seed }: MeasureContext): Measurement {
  const folder = isOnTmpfs(directory) ? directory : folderOnTmpfs()
  try {
    return measureIn(folder, setting, seed)
  } finally {
    if (folder !== directory) rmSync(folder, { recursive: true, force: true })
  }
}

function measureIn(folder: string, setting: Setting, seed: number): Measurement {
  const op = setting['op'] as CopiesOp
  const pages = setting['pages'] as number
  const isMapped = setting['side'] === 'mapped'
  if (op === 'write') writeHoleFile(join(folder, FILE), pages)
  else writeDataFile(join(folder, FILE), pages, seed)
  using pmem = mount(folder, { faultWorkers: 1, hugePages: op === 'huge', domain: 'eadr', zeroCopy: isMapped })
  const mapping = pmem.open(FILE).mmap()
  const { nanoseconds, hash } = op === 'sync' || op === 'persist' ? storeTurns(mapping, op, pages) : touch(mapping, op)
  const kind = kindOf(op, isMapped)
  const { count } = pmem.stats().faults[kind]
  if (count === 0) throw new Error(`no access was a ${kind} fault`)
  return { figures: { perPage: nanoseconds / 1000 }, hash }
}

/** What the accesses must turn out to be, or something else was measured. */
function kindOf(op: CopiesOp, isMapped: boolean): FaultName {
  if (op === 'huge') return 'hugeDataRead'
  if (op === 'write') return 'holeWrite'
  if (op === 'read') return isMapped ? 'minorRead' : 'dataRead'
  return 'mkwrite'
}

/** Each page once, in order. Return: ns a page. */
function touch(mapping: DaxMapping, op: CopiesOp): { nanoseconds: number; hash: number } {
  const words = new Int32Array(mapping.buffer)
  const pages = words.length / PAGE_WORDS
  const first = Math.ceil((pages * WARM_SHARE) / Page.PmdPages) * Page.PmdPages
  let hash = 0
  const access = (from: number, end: number): void => {
    for (let page = from; page < end; page++) {
      if (op === 'write') words[page * PAGE_WORDS] = page + 1
      else hash = fold(hash, words[page * PAGE_WORDS] as number)
    }
  }
  access(0, first)
  const start = process.hrtime.bigint()
  access(first, pages)
  const elapsed = Number(process.hrtime.bigint() - start)
  if (op === 'write') for (let page = 0; page < pages; page++) hash = fold(hash, words[page * PAGE_WORDS] as number)
  return { nanoseconds: elapsed / (pages - first), hash: hash >>> 0 }
}

/** Turns of stores to some pages, each followed by what makes them durable, under the clock. Return: ns a page. */
function storeTurns(mapping: DaxMapping, op: CopiesOp, pages: number): { nanoseconds: number; hash: number } {
  const words = new Int32Array(mapping.buffer)
  const stride = Math.floor(pages / SYNC_PAGES)
  const turns = Math.ceil(pages / SYNC_PAGES)
  const warm = turns
  let elapsed = 0n
  let hash = 0
  for (let page = 0; page < SYNC_PAGES; page++) hash = fold(hash, words[page * stride * PAGE_WORDS] as number)
  for (let turn = 0; turn < warm + turns; turn++) {
    for (let i = 0; i < SYNC_PAGES; i++) words[i * stride * PAGE_WORDS] = turn + i + 1
    pause()
    const start = process.hrtime.bigint()
    if (op === 'sync') mapping.msync()
    else for (let i = 0; i < SYNC_PAGES; i++) mapping.persist(i * stride * Page.Size, Page.LineSize)
    if (turn >= warm) elapsed += process.hrtime.bigint() - start
  }
  for (let i = 0; i < SYNC_PAGES; i++) hash = fold(hash, words[i * stride * PAGE_WORDS] as number)
  return { nanoseconds: Number(elapsed) / turns / SYNC_PAGES, hash: hash >>> 0 }
}

function pause(): void {
  new AtomicWords(new SharedArrayBuffer(4)).wait(0, 0, PAUSE_MS)
}

function folderOnTmpfs(): string {
  try {
    return mkdtempSync('/dev/shm/faultline-bench-')
  } catch (error) {
    const { message } = error as Error
    throw new Error(`no tmpfs to measure on: set FAULTLINE_BENCH_DIR to a directory on one (${message})`, {
      cause: error,
    })
  }
}
