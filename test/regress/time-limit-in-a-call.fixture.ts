/** A crash test whose recovery, or workload, runs into its time limit. argv: scenario, folder. */
import { join } from 'node:path'
import { type CrashTest, type Pmem, exploreLive, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { mutexLock } from '../../lib/sync/mutex.js'
import { outcomeOf, report } from '../fs/report.js'

const SIZE = 65536
/** Long for a recovery that ends, on a loaded machine too. */
const TIME_LIMIT = 1000
const [scenario = '', folder = ''] = process.argv.slice(2)
let mounts = 0

/** Calls that are made again and again until somebody ends it. */
const LOOPS: Readonly<Record<string, (pmem: Pmem) => unknown>> = {
  nothing: () => 0,
  fence: (pmem) => pmem.fence(),
  crash: (pmem) => pmem.crash(),
  verify: (pmem) => pmem.verify(),
  sync: (pmem) => {
    const file = pmem.open('a.pm')
    file.mmap().fill(0, 4096, 9)
    file.sync()
    file.close()
  },
  read: (pmem) => pmem.open('a.pm').read(Buffer.alloc(4096), 0),
  truncate: (pmem) => {
    pmem.open('a.pm').truncate(4096)
    pmem.open('a.pm').truncate(SIZE)
  },
  names: (pmem) => {
    pmem.open('b.pm', { create: true, size: 4096 }).close()
    pmem.rename('b.pm', 'c.pm')
    pmem.unlink('c.pm')
  },
  mappings: (pmem) => {
    const map = pmem.open('a.pm').mmap()
    map.mremap(2 * SIZE)
    map.unmap()
  },
  mount: () => mount(join(folder, `own-${mounts++}`)).close(),
}

/** Asleep in fsync of a.pm, for nobody gives back what it waits for. */
function sleepInSync(pmem: Pmem): void {
  const file = pmem.open('a.pm')
  const { words, inodes } = machineOf(pmem)
  mutexLock(words, inodes.at(file.inode) + InodeWord.Sync)
  file.sync()
}

/** Asleep in a flush of a.pm, with the store lock. */
function sleepInFlush(pmem: Pmem): void {
  const map = pmem.open('a.pm').mmap()
  map.fill(0, 8, 5, { drain: false })
  const { words, pending } = machineOf(pmem)
  mutexLock(words, Reflect.get(pending, 'base') as number)
  new Uint8Array(map.buffer)[64] = 5
  map.flush(0, 128)
}

function program(changes: Partial<CrashTest<Pmem, string>>): CrashTest<Pmem, string> {
  return {
    setup: (pmem) => pmem.open('a.pm', { create: true, size: SIZE }).close(),
    workload: (pmem) => {
      const map = pmem.open('a.pm').mmap()
      const words = new BigUint64Array(map.buffer)
      for (let line = 0; line < 4; line++) words[line * 8] = 1n
      map.persist(0, 256)
    },
    recover: found,
    check: (state) => /^[01]{4} SIZE$/.test(state) || state,
    ...changes,
  }
}

/** What is there: the first word of four lines; and nothing that is of another recovery. */
function found(pmem: Pmem): string {
  const map = pmem.open('a.pm').mmap()
  const words = new BigUint64Array(map.buffer)
  const first = [0, 8, 16, 24].map((word) => String(words[word])).join('')
  const rest = words.filter((word, i) => word !== 0n && ![0, 8, 16, 24].includes(i)).length
  const size = pmem.open('a.pm').size === SIZE ? 'SIZE' : 'another size'
  return `${first} ${size}${rest === 0 ? '' : ' and more'}${pmem.list().length === 1 ? '' : ` ${pmem.list().join()}`}`
}

/** Of 16 images, recovery of every other one does something else instead, while there is something. */
async function explore(
  changes: Partial<CrashTest<Pmem, string>>,
  ...hangs: ((pmem: Pmem) => unknown)[]
): Promise<void> {
  const recover = (pmem: Pmem): string => {
    const state = found(pmem)
    if (recoveries++ % 2 === 1) hangs.shift()?.(pmem)
    return state
  }
  let recoveries = 0
  const test = program({ recover, idempotent: false, ...changes })
  const { counts, failures, workload } = await exploreLive(test, { timeLimit: TIME_LIMIT })
  const said = [...new Set(failures.map(({ oracle, message }) => `${oracle}: ${message}`))]
  report({ images: counts.images, bad: counts.bad, said: said.sort(), workload })
}

async function inOwnMount(): Promise<void> {
  const own = mount(join(folder, 'own'))
  own.open('a.pm', { create: true, size: 4096 }).mmap().tryWrite(0, Uint8Array.of(7))
  own.sync()
  const sleep = (): void => sleepInSync(own)
  await explore({}, sleep, sleep)
  const after = outcomeOf(() => own.list())
  const close = outcomeOf(() => own.close())
  const again = mount(join(folder, 'own'))
  report({ after, close, byte: new Uint8Array(again.open('a.pm').mmap().buffer)[0] })
  again.close()
}

async function inWorkload(): Promise<void> {
  await explore({ workload: sleepInFlush, check: () => true })
  // Whoever stores to traced memory now takes the store lock.
  const pmem = mount(join(folder, 'own'), { stores: 'traced' })
  new Uint8Array(pmem.open('a.pm', { create: true, size: 4096 }).mmap().buffer)[0] = 1
  pmem.close()
  report({ stored: true })
}

if (scenario === 'own-mount') await inOwnMount()
else if (scenario === 'workload') await inWorkload()
else if (scenario === 'asleep') await explore({}, sleepInSync, sleepInSync)
else {
  const loops = Object.entries(LOOPS).filter(([name]) => scenario.split(' ').includes(name))
  const forEver = loops.map(([, loop]) => (pmem: Pmem): void => {
    for (;;) loop(pmem)
  })
  await explore({}, ...forEver)
}
