/** One measurement of `faultline bench sync`. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { Page } from '../../constants.js'
import { mount } from '../../index.js'
import { AtomicWords } from '../../sync/shared-words.js'
import type { MeasureContext, Measurement } from '../bench.js'
import { fold } from '../fold.js'
import { runNative } from '../native-program.js'
import { median } from '../statistics.js'
import type { Setting } from '../sweep.js'
import { MIB, strideOf } from './sync.js'
import { BATCH_PAGES } from '../../dax/writeback-batch.js'

const FILE = 'sync.pm'
const PAGE_WORDS = Page.Size / 4
const LINE_WORDS = Page.LineSize / 4
/** As c_sync. */
const PAUSE_MS = 0.2
/** What is synced before the clock counts, at most: by then V8 has compiled what pages take, and what calls take. */
const WARM_PAGES = 300_000
const WARM_TURNS = 8000
/** So much of the pages that are measured, for short runs. */
const WARM_SHARE = 3
const TURNS_MIN = 11
const TURNS_MAX = 2000

/** Context: a process that does nothing else. */
export async function measureSync(setting: Setting, { directory }: MeasureContext): Promise<Measurement> {
  const pages = setting['pages'] as number
  const size = (setting['mapping'] as number) * MIB
  const stride = strideOf(setting)
  const total = setting['total'] as number
  const turns = Math.max(TURNS_MIN, Math.min(TURNS_MAX, Math.floor(total / pages)))
  const warm = Math.min(WARM_TURNS, Math.ceil(Math.min(WARM_PAGES, total * WARM_SHARE) / pages))
  const work: Work = { file: join(directory, FILE), size, pages, stride, turns, warm, run: BATCH_PAGES }
  const { nanoseconds, hash } = setting['side'] === 'c' ? await runC(work) : syncTurns(directory, work)
  return { figures: { perPage: nanoseconds / pages / 1000, perCall: nanoseconds / 1000 }, hash }
}

async function runC(work: Work): Promise<SyncRun> {
  return (await runNative('c_sync', { ...work })) as SyncRun
}

function syncTurns(directory: string, { size, pages, stride, turns, warm, file }: Work): SyncRun {
  using pmem = mount(directory, { faultWorkers: 1, hugePages: false })
  const mapping = pmem.open(FILE, { create: true, size }).mmap()
  const words = new Uint32Array(mapping.buffer)
  const taken: number[] = []
  for (let turn = 0; turn < warm + turns; turn++) {
    for (let i = 0; i < pages; i++) words[wordOf(i * stride)] = i * stride + turn + 1
    // On one CPU the fault worker is still unlocking the last page: a hand-over, and not what is measured.
    sleep(PAUSE_MS)
    const start = process.hrtime.bigint()
    mapping.msync()
    if (turn >= warm) taken.push(Number(process.hrtime.bigint() - start))
  }
  return { nanoseconds: median(taken), hash: hashMedia(file, pages, stride) }
}

function sleep(ms: number): void {
  const words = new AtomicWords(new SharedArrayBuffer(4))
  words.wait(0, 0, ms)
}

/** The options of c_sync. */
interface Work {
  readonly file: string
  readonly size: number
  readonly pages: number
  readonly stride: number
  readonly turns: number
  readonly warm: number
  readonly run: number
}

interface SyncRun {
  readonly nanoseconds: number
  readonly hash: number
}

/** As c_sync: in another line from page to page. */
function wordOf(page: number): number {
  return page * PAGE_WORDS + ((page * 7) % Page.LinesPerPage) * LINE_WORDS
}

/** The words as media has them. */
function hashMedia(path: string, pages: number, stride: number): number {
  const fd = openSync(path, 'r')
  const word = Buffer.alloc(4)
  let hash = 0
  for (let i = 0; i < pages; i++) {
    readSync(fd, word, 0, 4, wordOf(i * stride) * 4)
    hash = fold(hash, word.readUInt32LE())
  }
  closeSync(fd)
  return hash >>> 0
}
