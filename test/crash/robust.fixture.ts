/** Crash tests that behave badly, for the command line. */
import type { CrashTest, Pmem, Region } from '../../lib/index.js'

function bad(changes: Partial<CrashTest<Region>>): CrashTest<Region> {
  return {
    size: 4096,
    workload(pool) {
      pool.store64(0, 1)
      pool.store64(64, 2)
      pool.flush(0, 128)
      pool.fence()
    },
    recover: (pool) => [pool.load64(0), pool.load64(64)],
    ...changes,
  }
}

function when(condition: (pool: Region) => boolean, act: () => void) {
  return (pool: Region): bigint => {
    if (condition(pool)) act()
    return pool.load64(0)
  }
}

const onlySecond = (pool: Region): boolean => pool.load64(0) === 0n && pool.load64(64) === 2n

export const fine = bad({})
export const throws = bad({
  workload(pool) {
    pool.store64(0, 1)
    throw new Error('out of cheese')
  },
})
export const exits = bad({ workload: () => process.exit(3) })
export const aborts = bad({ workload: () => process.abort() })
export const outside = bad({ workload: (pool) => pool.store64(4096, 1) })
export const storesNothing = bad({ workload: () => undefined })
export const neverFlushes = bad({ workload: (pool) => pool.store64(0, 1) })
export const workloadHangs = bad({
  workload: () => {
    for (;;);
  },
})
export const recoveryHangs = bad({
  recover: when(onlySecond, () => {
    for (;;);
  }),
})
export const recoveryNeverSettles = bad({
  recover: (pool) => (onlySecond(pool) ? new Promise(() => undefined) : Promise.resolve(pool.load64(0))),
})
export const recoveryExits = bad({ recover: when(onlySecond, () => process.exit(4)) })
export const recoveryAborts = bad({ recover: when(onlySecond, () => process.abort()) })
export const recoveryIsKilled = bad({ recover: when(onlySecond, () => process.kill(process.pid, 'SIGKILL')) })

const words = (pmem: Pmem): BigUint64Array => new BigUint64Array(pmem.open('a.pm').mmap().buffer)

/** On a mounted pool; recovery of one image dies of a load past the end of a file, which is a SIGBUS. */
export const liveRecoveryDies: CrashTest<Pmem> = {
  form: 'live',
  setup: (pmem) => pmem.open('a.pm', { create: true, size: 4096 }).close(),
  workload(pmem) {
    const map = pmem.open('a.pm').mmap()
    new BigUint64Array(map.buffer)[0] = 1n
    new BigUint64Array(map.buffer)[8] = 2n
    map.flush(0, 128)
    pmem.fence()
  },
  recover(pmem) {
    const [first, second] = [words(pmem)[0], words(pmem)[8]]
    if (first !== 0n || second !== 2n) return [first, second]
    return new Uint8Array(pmem.open('a.pm').mmap({ length: 8192 }).buffer)[4096]
  },
}
