/** A user thread of `faultline bench locks`: faults, and times each access that does. */
import { parentPort, workerData } from 'node:worker_threads'
import { Page } from '../../constants.js'
import { attach } from '../../index.js'
import { AtomicWords } from '../../sync/shared-words.js'
import { Control, FILE, type ThreadReport, type ThreadTask, WARM_PAGES } from './protocol.js'

const PAGE_WORDS = Page.Size / 4
/** Pages a thread goes round in when it drops them itself. */
const WINDOW_PAGES = 64
/** The word of a page a thread stores to: its own, and not the first. */
const STORE_WORD = 16

const task = workerData as ThreadTask
const control = new AtomicWords(task.control)
const pmem = attach(task.handle)
const map = pmem.open(FILE).mmap()
const words = new Int32Array(map.buffer)
let hash = 0

/** A load or a store, by page: every other page is stored to. */
function touch(page: number): void {
  const at = page * PAGE_WORDS
  if (page % 2 === 0) hash = (hash + (words[at] as number)) >>> 0
  else words[at + STORE_WORD + task.thread] = page
}

const { thread, threads, perThread, shared, drops } = task
for (let i = 0; i < WARM_PAGES; i++) touch(thread * WARM_PAGES + i)
hash = 0
const first = threads * WARM_PAGES + (shared ? 0 : thread * perThread)
const latencies = new Float64Array(perThread)

control.add(Control.Ready, 1)
while (control.load(Control.Go) === 0) control.wait(Control.Go, 0)
const start = performance.timeOrigin + performance.now()
for (let i = 0; i < perThread; i++) {
  const page = first + (drops ? i % Math.min(WINDOW_PAGES, perThread) : i)
  if (drops) map.madvise('dontneed', page * Page.Size, Page.Size)
  const before = performance.now()
  touch(page)
  latencies[i] = performance.now() - before
}
const end = performance.timeOrigin + performance.now()
control.add(Control.Done, 1)
const report: ThreadReport = { latencies, start, end, hash }
parentPort?.postMessage(report)
pmem.close()
