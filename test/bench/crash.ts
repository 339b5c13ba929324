/**
 * npm run bench:crash [-- --json] [--seconds N]: how fast crash images are explored.
 *
 * Images a second are wall time on whatever else the machine does; CPU time of this process is beside it. The size of
 * the region is compared by turns. Bounds are those the project holds itself to.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { type Pmem, type Region, exploreLive } from '../../lib/index.js'
import { addon } from '../../lib/binding/load.js'
import { runCampaign } from '../../lib/crash/campaign.js'
import { resolveExploreOptions } from '../../lib/crash/explore-options.js'
import { recordRegion } from '../../lib/crash/region-subject.js'
import type { CrashTest } from '../../lib/crash/crash-test.js'
import { environmentOf } from '../../lib/bench/environment.js'
import { median } from '../../lib/bench/statistics.js'

const LINE = 64
const DATA_LINES = 16
const LIVE_LINES = 9
const TURNS = 7

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '3' } },
})

interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bound: string
  readonly isMet: boolean
}

interface Rate {
  readonly wall: number
  readonly cpu: number
}

/** Data on many lines and a commit flag under one fence: 2^lines images and more, half of those with the flag bad. */
function flagAndData(lines: number, size: number | string): CrashTest<Region> {
  return {
    name: 'flag and data',
    size,
    workload(pool) {
      for (let line = 1; line <= lines; line++) pool.store64(line * LINE, line)
      pool.flush(LINE, lines * LINE)
      pool.store64(0, 1)
      pool.flush(0, 8)
      pool.fence()
      pool.acknowledged('done')
    },
    check(state) {
      const image = state as Buffer
      if (image[0] === 0) return true
      for (let line = 1; line <= lines; line++) if (image.readBigUInt64LE(line * LINE) !== BigInt(line)) return false
      return true
    },
  }
}

async function rateOf(run: () => Promise<number>, seconds: number): Promise<Rate> {
  await run()
  const cpu = process.cpuUsage()
  const start = performance.now()
  let looks = 0
  while (performance.now() - start < seconds * 1000) looks += await run()
  const used = process.cpuUsage(cpu)
  return { wall: (looks / (performance.now() - start)) * 1000, cpu: (looks / (used.user + used.system)) * 1e6 }
}

/** Explore only: what was recorded is recorded once. Return: looks. */
async function exploredBare(size: number | string): Promise<() => Promise<number>> {
  const options = resolveExploreOptions({ maxBad: Infinity })
  const subject = await recordRegion(flagAndData(DATA_LINES, size), options)
  // Shrinking is for people: it is not what is measured.
  return async () => (await runCampaign(subject, { ...options, mayShrink: false })).counts.looks
}

async function sizes(): Promise<{ ratio: number; memory: number }> {
  const options = resolveExploreOptions({ maxBad: Infinity })
  const small: number[] = []
  const large: number[] = []
  const before = process.memoryUsage().rss
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [list, size] of [[small, '1MiB'] as const, [large, '1GiB'] as const]) {
      const cpu = process.cpuUsage()
      const subject = await recordRegion(flagAndData(DATA_LINES - 2, size), options)
      await runCampaign(subject, { ...options, mayShrink: false })
      const { user, system } = process.cpuUsage(cpu)
      list.push(user + system)
    }
  }
  return { ratio: median(large) / median(small), memory: (process.memoryUsage().rss - before) / 2 ** 20 }
}

/** Return: looks a second. */
async function live(): Promise<number> {
  const test: CrashTest<Pmem, bigint[]> = {
    setup: (pmem) => pmem.open('a.pm', { create: true, size: '64KiB' }).close(),
    workload(pmem) {
      const map = pmem.open('a.pm').mmap()
      const words = new BigUint64Array(map.buffer)
      for (let line = 1; line <= LIVE_LINES; line++) words[line * 8] = BigInt(line)
      map.flush(LINE, LIVE_LINES * LINE)
      words[0] = 1n
      map.persist(0, 8)
    },
    recover(pmem) {
      const words = new BigUint64Array(pmem.open('a.pm').mmap().buffer)
      return Array.from({ length: LIVE_LINES + 1 }, (_, line) => words[line * 8] as bigint)
    },
    check: ([flag, ...rest]) => flag === 0n || rest.every((word, i) => word === BigInt(i + 1)),
    idempotent: false,
  }
  const { counts, seconds } = await exploreLive(test, { maxBad: 200 })
  return counts.looks / seconds
}

/** Threads that start meanwhile, those of a mount too, run on that CPU only. */
async function onOneCpu<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = addon.getAffinity(0)
  addon.setAffinity(before.slice(-1), 0)
  try {
    return await work()
  } finally {
    addon.setAffinity(before, 0)
  }
}

async function main(): Promise<void> {
  const seconds = Number(values.seconds)
  const bare = await rateOf(await exploredBare('64KiB'), seconds)
  const { ratio, memory } = await sizes()
  const mounted = await live()
  const mountedOnOne = await onOneCpu(live)
  const figures: Figure[] = [
    figure('images checked a second, wall', bare.wall, '1/s', 100_000),
    figure('images checked a second of CPU time', bare.cpu, '1/s', 100_000),
    figure('images mounted and recovered a second', mounted, '1/s', 500),
    figure('the same on one CPU', mountedOnOne, '1/s', 500),
    { name: '1 GiB to 1 MiB, CPU time', value: ratio, unit: 'x', bound: 'at most 1.2', isMet: ratio <= 1.2 },
    { name: 'memory that grew meanwhile', value: memory, unit: 'MiB', bound: 'at most 200', isMet: memory <= 200 },
  ]
  if (values.json) {
    console.log(JSON.stringify(figures, null, 2))
    return
  }
  const environment = environmentOf({ pinned: 'no', rounds: TURNS, seed: 0 })
  for (const [name, value] of Object.entries(environment)) console.log(`${name.padEnd(7)} ${value}`)
  const table = new Table({ head: ['figure', 'value', 'bound'], style: { head: [], border: [] } })
  for (const { name, value, unit, bound, isMet } of figures) {
    table.push([
      name,
      `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ${unit}`,
      `${isMet ? 'met' : 'MISSED'}: ${bound}`,
    ])
  }
  console.log(table.toString())
}

function figure(name: string, value: number, unit: string, least: number): Figure {
  return { name, value, unit, bound: `at least ${least}`, isMet: value >= least }
}

await main()
