/**
 * Each operation with 0, 1, 2… descriptors left, until it succeeds. argv: folder. One line of JSON an attempt: what it
 * came to, how many descriptors it kept, which names the pool has, a byte that
 * must be there, and whether it can be verified and mounted again.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Pmem, mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const PATIENCE_MS = 3000
/** Looks, 10 ms apart, that find the same: the threads of the mount before are gone. */
const QUIET_LOOKS = 5
const [folder = ''] = process.argv.slice(2)

const OPERATIONS: Record<string, (pmem: Pmem) => unknown> = {
  create: (pmem) => {
    pmem.open('new.pm', { create: true, size: PAGE }).close()
  },
  open: (pmem) => {
    pmem.open('b.pm').close()
  },
  unlink: (pmem) => {
    pmem.unlink('b.pm')
  },
  rename: (pmem) => {
    pmem.rename('b.pm', 'c.pm')
  },
  'rename over': (pmem) => {
    pmem.rename('b.pm', 'bad.pm')
  },
  list: (pmem) => pmem.list(),
  poison: (pmem) => pmem.poison('b.pm', 0, 512),
  badBlocks: (pmem) => pmem.badBlocks(),
  clearPoison: (pmem) => pmem.clearPoison('bad.pm', 0, 512),
  sync: (pmem) => {
    pmem.sync()
  },
  crash: (pmem) => pmem.crash(),
  mount: () => {
    mount(join(folder, 'second'), { watchdog: 0 }).close()
  },
}

const openDescriptors = (): number[] => readdirSync('/proc/self/fd').map(Number)

function limitDescriptors(soft: number): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`])
}

function withDescriptors<Result>(left: number, work: () => Result): Result {
  const taken: number[] = []
  limitDescriptors(Math.max(...openDescriptors()) + 30)
  while (outcomeOf(() => taken.push(openSync('/dev/null', 'r'))).code === 'ok');
  for (const fd of taken.splice(-left, left)) closeSync(fd)
  try {
    return work()
  } finally {
    for (const fd of taken) closeSync(fd)
    limitDescriptors(1024)
  }
}

/** Threads that have ended give theirs back in turns of the event loop. */
async function keptSince(before: number): Promise<number> {
  const end = performance.now() + PATIENCE_MS
  while (openDescriptors().length > before && performance.now() < end) await setTimeout(5)
  return openDescriptors().length - before
}

async function untilQuiet(): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  let same = 0
  for (let last = -1; same < QUIET_LOOKS && performance.now() < end;) {
    await setTimeout(10)
    const now = openDescriptors().length
    same = now === last ? same + 1 : 0
    last = now
  }
}

function prepare(pmem: Pmem): void {
  for (const name of ['b.pm', 'bad.pm']) {
    const file = pmem.open(name, { create: true, size: 4 * PAGE })
    file.write(Buffer.alloc(PAGE, 7), 0)
    // Blocks without data: they have a note.
    file.fallocate({ offset: PAGE, length: PAGE })
    file.sync()
    file.close()
  }
  pmem.poison('bad.pm', 0, 1024)
  // On media, and open: a power failure does not touch it.
  pmem.open('data.pm', { create: true }).write(Buffer.alloc(PAGE, 7), 0)
  pmem.sync()
  // Not synced, and open: what sync and crash have to do.
  const dirty = pmem.open('dirty.pm', { create: true, size: 4 * PAGE })
  dirty.mmap().tryWrite(0, Uint8Array.of(1))
  dirty.fallocate({ offset: PAGE, length: PAGE })
}

const MOST = 64
/** What Node opens once and keeps. */
mount(join(folder, 'first'), { watchdog: 0 }).close()
limitDescriptors(1024)

for (const [name, operation] of Object.entries(OPERATIONS)) {
  if (name === 'mount' && process.env['NODE_V8_COVERAGE'] !== undefined) continue
  for (let left = 0; left < MOST; left++) {
    const pool = join(folder, `${name}-${left}`)
    await untilQuiet()
    const pmem = mount(pool, { watchdog: 0 })
    prepare(pmem)
    const before = openDescriptors().length
    const outcome = withDescriptors(left, () => outcomeOf(() => operation(pmem)))
    const kept = await keptSince(before)
    const names = pmem.list()
    const byte = pmem.open('data.pm').mmap().tryRead(0, 1)[0]
    const sound = outcomeOf(() => {
      pmem.verify()
      pmem.close()
      mount(pool, { watchdog: 0 }).close()
    })
    report({ name, left, ...outcome, kept, names, byte, sound })
    if (outcome.code === 'ok') break
  }
}
