/** Processes whose pages go bad under them. argv: 'load' or 'threads', pool. See fault/memory-failure.test.ts. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, workerData, parentPort } from 'node:worker_threads'
import { type MountHandle, attach, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const PAGES = 64
const THREADS = 2

interface Task {
  readonly handle: MountHandle
  readonly thread: number
  /** [page]: 1 once the failure of the page has returned; [PAGES]: 1 to stop. */
  readonly control: SharedArrayBuffer
}

interface Count {
  /** Accesses of a page that had failed, and that gave or took a byte. */
  stale: number
  /** At the end: pages that refuse, and pages that hold what this thread stored last. */
  refused: number
  sound: number
}

/** One byte after it went bad, by a plain load: the end of the process. */
function load(path: string): void {
  const pmem = mount(path)
  const file = pmem.open('a.pm', { create: true, size: PAGE })
  const bytes = new Uint8Array(file.mmap().buffer)
  bytes[0] = 7
  report({ loaded: bytes[0] })
  pmem.memoryFailure(file.pfnAt(0))
  report({ loaded: bytes[0] })
}

/** Stores and loads of a byte of its own in each page, until told to stop. */
function work({ handle, thread, control }: Task): Count {
  const pmem = attach(handle)
  const map = pmem.open('a.pm').mmap()
  const words = new Int32Array(control)
  const last = new Uint8Array(PAGES)
  const count: Count = { stale: 0, refused: 0, sound: 0 }
  const byte = new Uint8Array(1)
  for (let round = 0; Atomics.load(words, PAGES) === 0; round++) {
    const page = (round * 7 + thread) % PAGES
    const failed = Atomics.load(words, page) === 1
    const at = page * PAGE + thread
    const stored = outcomeOf(() => {
      map.tryWrite(at, Uint8Array.of((round % 255) + 1))
    })
    if (stored.code === 'ok') last[page] = (round % 255) + 1
    const loaded = outcomeOf(() => map.tryRead(at, byte))
    if (failed && (stored.code === 'ok' || loaded.code === 'ok')) count.stale++
    if (!failed && loaded.code === 'ok' && byte[0] !== last[page]) count.stale++
  }
  for (let page = 0; page < PAGES; page++) {
    const { code } = outcomeOf(() => map.tryRead(page * PAGE + thread, byte))
    if (code === 'EIO') count.refused++
    else if (byte[0] === last[page]) count.sound++
  }
  pmem.close()
  return count
}

async function threads(path: string): Promise<void> {
  const pmem = mount(path, { hugePages: false })
  const file = pmem.open('a.pm', { create: true, size: PAGES * PAGE })
  const control = new SharedArrayBuffer((PAGES + 1) * 4)
  const words = new Int32Array(control)
  const workers = Array.from({ length: THREADS }, (_, thread) => {
    const task: Task = { handle: pmem.handle, thread, control }
    return new Worker(fileURLToPath(import.meta.url), { workerData: task })
  })
  const results = workers.map((worker) => once(worker, 'message') as Promise<[Count]>)
  let failed = 0
  for (let page = 0; page < PAGES; page += 2) {
    // Somebody has to have it mapped before its failure can find anyone.
    while (outcomeOf(() => pmem.memoryFailure(file.pfnAt(page * PAGE))).code !== 'ok') {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    Atomics.store(words, page, 1)
    failed++
    if (page % 8 === 0)
      outcomeOf(() => {
        file.sync()
      })
  }
  Atomics.store(words, PAGES, 1)
  const counts = (await Promise.all(results)).map(([count]) => count)
  const sum = (key: keyof Count): number => counts.reduce((total, count) => total + count[key], 0)
  report({ failed, stale: sum('stale'), refused: sum('refused'), sound: sum('sound') })
  // What was stored to pages that failed is lost: the last sync says so.
  outcomeOf(() => {
    file.sync()
  })
  pmem.close()
}

if (!isMainThread) parentPort?.postMessage(work(workerData as Task))
else if (process.argv[2] === 'load') load(process.argv[3] ?? '')
else await threads(process.argv[3] ?? '')
