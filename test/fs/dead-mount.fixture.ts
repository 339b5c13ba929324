/**
 * A process whose fault handler throws. argv: scenario, pool, fault workers, the fault at which it throws.
 * The pool has data.pm, whose pages hold their number + 1 in every byte, fenced.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { attach, mount, type DaxMapping, type MountHandle, type Pmem } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const PAGES = 250

/** Loads or stores page after page with the survivable calls until one fails. Return: what it failed of. */
function walk(map: DaxMapping, store: boolean): { page: number; code: string; message: string; zeroes: number } {
  let zeroes = 0
  for (let page = 0; page < PAGES; page++) {
    const outcome = outcomeOf(() => {
      if (store) map.tryWrite(page * PAGE, Buffer.alloc(8, 0xee))
      else if (map.tryRead(page * PAGE, 1)[0] !== page + 1) zeroes++
    })
    if (outcome.code !== 'ok') return { page, zeroes, ...outcome }
  }
  return { page: PAGES, code: 'ok', message: '', zeroes }
}

/** Plain loads and stores: the process dies in one of them. */
function load(map: DaxMapping): void {
  const bytes = new Uint8Array(map.buffer)
  for (let page = 0; page < PAGES; page++) report({ page, byte: bytes[page * PAGE] })
}

function reportDead(pmem: Pmem, map: DaxMapping): void {
  const file = pmem.open.bind(pmem)
  report({
    after: {
      open: outcomeOf(() => file('data.pm')),
      list: outcomeOf(() => pmem.list()),
      sync: outcomeOf(() => {
        pmem.sync()
      }),
      fence: outcomeOf(() => {
        pmem.fence()
      }),
      crash: outcomeOf(() => pmem.crash()),
      msync: outcomeOf(() => {
        map.msync()
      }),
      flush: outcomeOf(() => map.flush()),
      tryRead: outcomeOf(() => map.tryRead(0, 1)),
      unlink: outcomeOf(() => {
        pmem.unlink('data.pm')
      }),
    },
    stats: outcomeOf(() => pmem.stats()),
    close: outcomeOf(() => {
      pmem.close()
    }),
  })
}

/** The pool is free again, and what was fenced is there. */
function reportRemount(pool: string): void {
  const pmem = mount(pool)
  const map = pmem.open('data.pm').mmap()
  const bytes = new Uint8Array(map.buffer)
  let wrong = 0
  for (let page = 0; page < PAGES; page++) if (bytes[page * PAGE + 9] !== page + 1) wrong++
  pmem.close()
  report({ remounted: true, wrong })
}

function startWorker(handle: MountHandle, scenario: string): Promise<unknown> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { handle, scenario } })
  // Its message, once it has left the mount: before that the pool is not free.
  return new Promise((resolve, reject) => {
    let message: unknown
    worker.once('message', (value: unknown) => (message = value))
    worker.once('error', reject)
    worker.once('exit', () => {
      resolve(message)
    })
  })
}

async function main(): Promise<void> {
  const [scenario = '', pool = '', workers = '2', at = '1'] = process.argv.slice(2)
  const pmem = mount(pool, { faultWorkers: Number(workers), inject: { faultHandlerThrowsAt: Number(at) } })
  const map = pmem.open('data.pm').mmap()
  switch (scenario) {
    case 'load':
      load(map)
      break
    case 'try-read':
    case 'try-write':
      report({ walk: walk(map, scenario === 'try-write') })
      break
    case 'worker-load':
      await startWorker(pmem.handle, 'load')
      break
    case 'worker-try':
      report({ walk: await startWorker(pmem.handle, 'try') })
      break
    case 'msync': {
      const done = startWorker(pmem.handle, 'store')
      let outcome = outcomeOf(() => {
        map.msync()
      })
      // By the clock, not by count: the Worker may take long to start on a busy machine.
      for (const end = Date.now() + 30_000; Date.now() < end && outcome.code === 'ok';) {
        outcome = outcomeOf(() => {
          map.msync()
        })
      }
      report({ msync: outcome, walk: await done })
      break
    }
  }
  reportDead(pmem, map)
  reportRemount(pool)
}

if (isMainThread) {
  await main()
} else {
  const { handle, scenario } = workerData as { handle: MountHandle; scenario: string }
  const pmem = attach(handle)
  const map = pmem.open('data.pm').mmap()
  if (scenario === 'load') load(map)
  else parentPort?.postMessage(walk(map, scenario === 'store'))
  report({
    workerClose: outcomeOf(() => {
      pmem.close()
    }),
  })
}
