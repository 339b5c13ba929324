/**
 * Mount option zeroCopy in a process, or a thread, that comes to a bad end. argv: scenario, pool.
 *
 *   count      stores and writes numbers in their order until it is killed
 *   holes      looks at holes, and at blocks without data, and dies of SIGKILL
 *   terminate  the Worker that mounted is terminated; exit: it exits. The main thread goes on
 *   read-only  opens a file it may not write
 */
import { once } from 'node:events'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, type Pmem, attach, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const NOBODY = 65534
const SLOTS = 48

function open(pool: string): Pmem {
  return mount(pool, { domain: 'eadr', zeroCopy: true, capacity: '64MiB', watchdog: 0 })
}

/** Number i goes by write(2) to page 0, then by a store to page 1 + i % SLOTS. Nothing is ever synced. */
function count(pool: string): void {
  const pmem = open(pool)
  const file = pmem.open('a.pm', { create: true, size: (SLOTS + 1) * PAGE })
  const words = new BigUint64Array(file.mmap().buffer)
  report({ running: true })
  const number = new BigUint64Array(1)
  for (let i = 1; ; i++) {
    number[0] = BigInt(i)
    file.write(number, 0)
    words[(1 + (i % SLOTS)) * (PAGE / 8)] = BigInt(i)
  }
}

function holes(pool: string): void {
  const pmem = open(pool)
  const file = pmem.open('a.pm', { create: true, size: 64 * PAGE })
  file.fallocate({ offset: 8 * PAGE, length: 8 * PAGE })
  file.sync()
  const bytes = new Uint8Array(file.mmap().buffer)
  let sum = 0
  for (let page = 0; page < 64; page++) sum += bytes[page * PAGE] as number
  bytes[20 * PAGE + 5] = 7
  bytes[9 * PAGE] = 8
  report({ sum, blocks: file.stat().blocks })
  process.kill(process.pid, 'SIGKILL')
}

async function withoutMounter(pool: string, end: string): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { pool } })
  const [handle] = (await once(worker, 'message')) as [MountHandle]
  const pmem = attach(handle)
  const bytes = new Uint8Array(pmem.open('a.pm').mmap().buffer)
  const before = bytes[0]
  const gone = once(worker, 'exit')
  if (end === 'terminate') await worker.terminate()
  else worker.postMessage('exit')
  await gone
  const call = outcomeOf(() => pmem.open('a.pm'))
  // A page nobody has touched, one that only was looked at, one that is there.
  const unseen = bytes[3 * PAGE]
  bytes[3 * PAGE] = 9
  bytes[PAGE] = 10
  bytes[1] = 11
  const close = outcomeOf(() => {
    pmem.close()
  })
  report({ before, unseen, call: call.code, close: close.code })
}

function mountInWorker(pool: string): void {
  const pmem = open(pool)
  const bytes = new Uint8Array(pmem.open('a.pm', { create: true, size: 8 * PAGE }).mmap().buffer)
  bytes[0] = (bytes[PAGE] as number) + 7
  parentPort?.on('message', () => process.exit())
  parentPort?.postMessage(pmem.handle)
}

function readOnly(pool: string): void {
  const pmem = open(pool)
  writeFileSync(join(pool, 'a.pm'), Buffer.alloc(100, 9), { mode: 0o444 })
  if (process.getuid?.() === 0) {
    chmodSync(pool, 0o700)
    chownSync(pool, NOBODY, NOBODY)
    process.seteuid?.(NOBODY)
  }
  report({ readOnly: outcomeOf(() => pmem.open('a.pm', { readOnly: true })) })
  if (process.getuid?.() === 0) process.seteuid?.(0)
  pmem.close()
}

const [scenario = '', folder = ''] = process.argv.slice(2)
if (!isMainThread) mountInWorker((workerData as { pool: string }).pool)
else if (scenario === 'count') count(folder)
else if (scenario === 'holes') holes(folder)
else if (scenario === 'read-only') readOnly(folder)
else await withoutMounter(folder, scenario)
