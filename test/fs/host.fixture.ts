/** A host that misbehaves, for one process. argv: scenario, pool (in a mount namespace of its own where it mounts). */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type DaxFile, type Pmem, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const MIB = 2 ** 20
const [scenario = '', folder = ''] = process.argv.slice(2)

function tmpfs(size: string): string {
  const place = join(folder, 'tmpfs')
  mkdirSync(place, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place])
  return place
}

const resize = (place: string, options: string): Buffer => execFileSync('mount', ['-o', `remount,${options}`, place])

/** What was acknowledged before the host was full is there after a remount, and all of it once there is room. */
function full(): void {
  const place = tmpfs('4m')
  const pool = join(place, 'pool')
  let pmem = mount(pool, { watchdog: 0 })
  const file = pmem.open('a.pm', { create: true, size: 16 * MIB })
  const map = file.mmap()
  map.tryWrite(0, Buffer.alloc(PAGE, 1))
  map.msync()
  let stored = 1
  const store = outcomeOf(() => {
    for (; stored < 4096; stored++) map.tryWrite(stored * PAGE, Buffer.alloc(PAGE, 1 + (stored % 250)))
  })
  const msync = outcomeOf(() => map.msync())
  const sync = outcomeOf(() => {
    file.sync()
  })
  const seen = map.tryRead(0, 1)[0]
  resize(place, 'size=64m')
  const afterwards = outcomeOf(() => {
    for (; stored < 4096; stored++) map.tryWrite(stored * PAGE, Buffer.alloc(PAGE, 1 + (stored % 250)))
    file.sync()
  })
  pmem.close()
  pmem = mount(pool, { watchdog: 0 })
  const bytes = new Uint8Array(pmem.open('a.pm').mmap().buffer)
  let wrong = 0
  for (let page = 0; page < 4096; page++) if (bytes[page * PAGE] !== (page === 0 ? 1 : 1 + (page % 250))) wrong++
  pmem.close()
  report({ store, msync, sync, seen, afterwards, wrong })
}

/** Closed while the host is still full: the error is close's, and what was acknowledged is there. */
function fullAtClose(): void {
  const pool = join(tmpfs('4m'), 'pool')
  let pmem = mount(pool, { watchdog: 0 })
  const map = pmem.open('a.pm', { create: true, size: 16 * MIB }).mmap()
  map.tryWrite(0, Buffer.alloc(MIB, 7))
  map.msync()
  outcomeOf(() => map.tryWrite(MIB, Buffer.alloc(8 * MIB, 8)))
  const close = outcomeOf(() => {
    pmem.close()
  })
  pmem = mount(pool, { watchdog: 0 })
  const kept = pmem.open('a.pm').mmap().tryRead(0, MIB)
  pmem.close()
  report({ close, kept: kept.every((byte) => byte === 7) })
}

/** Where media is mapped there is no later: the access that has no page is the one that fails. */
function fullZeroCopy(): void {
  const place = tmpfs('4m')
  const pool = join(place, 'pool')
  const options = { domain: 'eadr', zeroCopy: true, watchdog: 0 } as const
  let pmem = mount(pool, options)
  const file = pmem.open('a.pm', { create: true, size: 16 * MIB })
  const map = file.mmap()
  let stored = 0
  const fill = (): { code: string; message: string } =>
    outcomeOf(() => {
      for (; stored < 4096; stored++) map.tryWrite(stored * PAGE, Buffer.alloc(PAGE, 1 + (stored % 250)))
    })
  const store = fill()
  const atFirst = stored
  const load = outcomeOf(() => map.tryRead(4095 * PAGE, 1))
  const sync = outcomeOf(() => {
    file.sync()
  })
  const seen = map.tryRead((atFirst - 1) * PAGE, 1)[0] === 1 + ((atFirst - 1) % 250)
  resize(place, 'size=64m')
  const afterwards = fill()
  pmem.verify()
  pmem.close()
  pmem = mount(pool, options)
  const bytes = new Uint8Array(pmem.open('a.pm').mmap().buffer)
  let wrong = 0
  for (let page = 0; page < 4096; page++) if (bytes[page * PAGE + 4095] !== 1 + (page % 250)) wrong++
  pmem.close()
  report({ store, load, sync, seen, atFirst, afterwards, wrong })
}

function readOnly(): void {
  const place = tmpfs('4m')
  const pool = join(place, 'pool')
  let pmem = mount(pool)
  pmem.open('a.pm', { create: true }).write(Buffer.alloc(PAGE, 3), 0)
  pmem.close()
  resize(place, 'ro')
  const first = outcomeOf(() => mount(pool))
  const fresh = outcomeOf(() => mount(join(place, 'fresh')))
  resize(place, 'rw')
  pmem = mount(pool)
  const byte = pmem.open('a.pm').mmap().tryRead(0, 1)[0]
  pmem.close()
  report({ first, fresh, byte })
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

function limitDescriptors(count: number): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${count}:`])
}

/** Every descriptor there still is. */
function theRest(): number[] {
  const taken: number[] = []
  while (outcomeOf(() => taken.push(openSync('/dev/null', 'r'))).code === 'ok');
  return taken
}

async function noDescriptors(): Promise<void> {
  const pmem = mount(join(folder, 'pool'), { watchdog: 0 })
  const keep = pmem.open('keep.pm', { create: true, size: PAGE })
  const map = keep.mmap()
  const before = await fewestDescriptors()
  limitDescriptors(before + 30)
  const spare = Array.from({ length: 12 }, () => openSync('/dev/null', 'r'))
  const opened: DaxFile[] = []
  let failed = { code: '', message: '' }
  for (let i = 0; failed.code === '' && i < 10_000; i++) {
    const outcome = outcomeOf(() => opened.push(pmem.open(`f${i}.pm`, { create: true, size: PAGE })))
    if (outcome.code !== 'ok') failed = outcome
  }
  // What the open that failed gave back.
  const rest = theRest()
  const list = outcomeOf(() => pmem.list())
  map.tryWrite(0, Uint8Array.of(5))
  const msync = outcomeOf(() => map.msync())
  const second = outcomeOf(() => mount(join(folder, 'second')))
  // A close needs no descriptor: it gives two back.
  for (const file of opened) file.close()
  for (const fd of rest) closeSync(fd)
  const after = (await fewestDescriptors()) - spare.length
  const msyncThen = outcomeOf(() => map.msync())
  const thread = outcomeOf(() => mount(join(folder, 'second')).close())
  for (const fd of spare) closeSync(fd)
  limitDescriptors(1024)
  const again = outcomeOf(() => {
    pmem.open('again.pm', { create: true }).close()
    mount(join(folder, 'second')).close()
  })
  pmem.close()
  report({ failed, opened: opened.length, list, msync, second, leaked: after - before, msyncThen, thread, again })
}

async function fewestDescriptors(): Promise<number> {
  let fewest = Infinity
  for (let turns = 0; turns < 25; turns++) {
    await setTimeout(20)
    fewest = Math.min(fewest, descriptors())
  }
  return fewest
}

/** As new Worker does when the host gives no thread (RLIMIT_NPROC, a cgroup's pids): the first one, or a later one. */
async function noThreads(): Promise<void> {
  const threads = createRequire(import.meta.url)('node:worker_threads') as {
    Worker: new (...args: unknown[]) => object
  }
  const { Worker } = threads
  let allowed = 1
  class Limited extends Worker {
    constructor(...args: unknown[]) {
      if (allowed-- <= 0) {
        throw Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' })
      }
      super(...args)
    }
  }
  threads.Worker = Limited
  syncBuiltinESMExports()
  const pool = join(folder, 'pool')
  const started = performance.now()
  const second = outcomeOf(() => mount(pool, { watchdog: 0 }))
  const first = outcomeOf(() => mount(pool, { watchdog: 0 }))
  const milliseconds = performance.now() - started
  // Threads that have ended give their descriptors back in turns of the event loop; Node opens some once.
  const before = await fewestDescriptors()
  for (let i = 0; i < 4; i++) {
    allowed = 1
    outcomeOf(() => mount(pool, { watchdog: 0 }))
  }
  const leaked = (await fewestDescriptors()) - before
  allowed = 2
  let pmem: Pmem | undefined
  const withoutWatchdog = outcomeOf(() => (pmem = mount(pool)))
  const works = outcomeOf(() => {
    pmem?.open('a.pm', { create: true, size: PAGE }).mmap().tryWrite(0, Uint8Array.of(1))
    pmem?.close()
  })
  report({ first, second, quick: milliseconds < 20_000, leaked, withoutWatchdog, works })
}

/** No address space beyond what is in use. */
function noMemory(): void {
  const pmem = mount(join(folder, 'pool'), { watchdog: 0 })
  const [, used = '0'] = /^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const limit = Number(used) * 1024 + 2 ** 30
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${limit}:unlimited`])
  const before = descriptors()
  const open = outcomeOf(() => pmem.open('a.pm', { create: true, size: MIB }))
  const leaked = descriptors() - before
  const names = pmem.list()
  const small = outcomeOf(() => {
    const map = pmem.open('b.pm', { create: true, size: MIB, maxSize: 4 * MIB }).mmap()
    map.tryWrite(0, Uint8Array.of(1))
    map.msync()
  })
  const mapped = outcomeOf(() => pmem.open('b.pm').mmap({ length: 2 ** 31 }))
  const second = outcomeOf(() => mount(join(folder, 'second'), { capacity: '512GiB', maxTreeNodes: 2 ** 24 }))
  pmem.close()
  report({ open, leaked, names, small, mapped, second })
}

const scenarios: Record<string, () => void | Promise<void>> = {
  full,
  'full-at-close': fullAtClose,
  'full-zero-copy': fullZeroCopy,
  'read-only': readOnly,
  'no-descriptors': noDescriptors,
  'no-threads': noThreads,
  'no-memory': noMemory,
}
await scenarios[scenario]?.()
