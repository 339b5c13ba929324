/**
 * What a sync, a persist or a fence has acknowledged is on media when it returns: looked at there and then, without a
 * kill. A kill comes at a moment of thousands; here none of the acknowledgements that are looked at can be lucky.
 *
 * Several threads change lines of their own in pages they share (mutator.ts). After each acknowledgement the thread
 * reads the media file and holds its own lines to what the kill test holds them to (line-history.ts).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, type Pmem, attach, mount } from '../../lib/index.js'
import { type JournalRecord, applyRecord } from './journal.js'
import { FileHistory } from './line-history.js'
import { FILE_NAME, FILE_PAGES, Mutator } from './mutator.js'

const PAGE = 4096
const STEPS = 32
/** Records that a failure shows. */
const SHOWN = 40
const SHOWN_BYTES = 400

export interface AcknowledgedOptions {
  readonly threads: number
  readonly milliseconds: number
  readonly seed: number
}

interface ThreadTask extends AcknowledgedOptions {
  readonly pool: string
  readonly handle: MountHandle
  readonly thread: number
}

/** Return: how many acknowledgements were looked at. Errors: Error that names the line, with what was done to it. */
export async function checkAcknowledged(pool: string, options: AcknowledgedOptions): Promise<number> {
  using pmem = mount(pool)
  using file = pmem.open(FILE_NAME, { create: true, size: FILE_PAGES * PAGE, maxSize: '4MiB' })
  const others = Array.from({ length: options.threads - 1 }, (_, i) => {
    const task: ThreadTask = { ...options, pool, handle: pmem.handle, thread: i + 1 }
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    return new Promise<number>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  })
  const own = check(pmem, pool, 0, options)
  const counts = [own, ...(await Promise.all(others))]
  file.close()
  return counts.reduce((sum, count) => sum + count, 0)
}

function check(pmem: Pmem, pool: string, thread: number, { threads, milliseconds, seed }: AcknowledgedOptions): number {
  const history = new FileHistory()
  const last: JournalRecord[] = []
  let looked = 0
  const note = (record: JournalRecord): void => {
    applyRecord(history, record)
    last.push(record)
    if (last.length > SHOWN) last.shift()
    if (record.op !== 'synced' && record.op !== 'fenced') return
    looked++
    const [wrong] = history.check(readFileSync(join(pool, FILE_NAME))).filter((text) => text.startsWith('line'))
    if (wrong !== undefined) throw new Error(`thread ${thread}, seed ${seed}: ${wrong}\n${shown(last)}`)
  }
  const mutator = new Mutator(pmem, { note }, { seed, thread, threads })
  const end = performance.now() + milliseconds
  while (performance.now() < end) mutator.run(STEPS)
  return looked
}

function shown(records: readonly JournalRecord[]): string {
  return records.map((record) => JSON.stringify(record).slice(0, SHOWN_BYTES)).join('\n')
}

if (!isMainThread && (workerData as Partial<ThreadTask> | null)?.thread !== undefined) {
  const task = workerData as ThreadTask
  const pmem = attach(task.handle)
  parentPort?.postMessage(check(pmem, task.pool, task.thread, task))
  pmem.close()
}
