/**
 * Rounds of: start a process that mutates a pool, kill it with SIGKILL at a random moment, look at what media holds.
 * The same pools for all rounds, so that each begins with what the one before left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { once } from 'node:events'
import { mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import type { PoolTask } from './child.js'
import { applyRecord, readJournal } from './journal.js'
import { FileHistory } from './line-history.js'
import { FILE_NAME } from './mutator.js'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
const START_TIMEOUT_MS = 20_000
const LIFE_MS = 120

export interface Tally {
  rounds: number
  operations: number
  acknowledgedLines: number
  /** Times that a pool was left with stores no sync had covered. */
  killedInFlight: number
  /** Rounds with a traced pool, and rounds with two mounts at once. */
  traced: number
  twoMounts: number
}

/** A pool that goes through all rounds. */
class KilledPool {
  readonly history = new FileHistory()
  readonly pool: string
  readonly journal: string

  constructor(folder: string, name: string) {
    this.pool = join(folder, name)
    this.journal = join(folder, `${name}.journal`)
  }

  get media(): Buffer {
    return readFileSync(join(this.pool, FILE_NAME))
  }

  /** A file that is created, or was left short, gets its size before several threads share it. */
  begin(): void {
    prepare(this.pool)
    this.history.adopt(this.media)
    rmSync(this.journal, { force: true })
  }

  /** Return: what is wrong, as sentences. */
  end(tally: Tally): string[] {
    const records = readJournal(this.journal)
    for (const record of records) applyRecord(this.history, record)
    const problems = this.history.check(this.media)
    if (problems.length > 0) return problems
    compareWithMount(this.pool, this.media)
    tally.operations += records.length
    tally.acknowledgedLines += this.history.acknowledgedLines
    if (!['synced', 'fenced', 'resized'].includes(records.at(-1)?.op ?? 'synced')) tally.killedInFlight++
    return []
  }
}

/** What the rounds are by turns: pools at once, threads of each, and whether stores to the first are traced. */
const SHAPES = [
  { pools: 1, threads: 1, traced: false },
  { pools: 1, threads: 1, traced: true },
  { pools: 1, threads: 3, traced: false },
  { pools: 2, threads: 1, traced: true },
  { pools: 2, threads: 2, traced: false },
  { pools: 1, threads: 3, traced: true },
] as const

/**
 * folder: holds the pools and journals; may be used again. progress: called after each round.
 * Errors: the first round that lost or invented a byte, with all lines concerned.
 */
export async function killRounds(
  folder: string,
  rounds: number,
  seed: number,
  progress: (tally: Tally) => void = () => undefined,
): Promise<Tally> {
  const prng = new Prng(seed)
  const all = ['first', 'second'].map((name) => new KilledPool(folder, name))
  const tally: Tally = { rounds: 0, operations: 0, acknowledgedLines: 0, killedInFlight: 0, traced: 0, twoMounts: 0 }
  for (let round = 0; round < rounds; round++) {
    const shape = SHAPES[round % SHAPES.length] as (typeof SHAPES)[number]
    const pools = all.slice(0, shape.pools)
    for (const pool of pools) pool.begin()
    const tasks = pools.map(({ pool, journal }, number): PoolTask => {
      const traced = shape.traced && number === 0
      return { pool, journal, seed: prng.below(2 ** 31), threads: shape.threads, traced }
    })
    await runAndKill([JSON.stringify(tasks)], prng)
    for (const pool of pools) {
      const problems = pool.end(tally)
      if (problems.length === 0) continue
      const what = `${pool.pool}, ${shape.pools} pools, ${shape.threads} threads${shape.traced ? ', traced' : ''}`
      throw new Error(`round ${round} of seed ${seed} (${what}): ${problems.slice(0, 5).join('\n')}`)
    }
    tally.rounds++
    if (shape.traced) tally.traced++
    if (shape.pools === 2) tally.twoMounts++
    progress(tally)
  }
  return tally
}

function prepare(pool: string): void {
  const pmem = mount(pool)
  const file = pmem.open(FILE_NAME, { create: true })
  file.truncate(48 * 4096)
  pmem.close()
}

async function runAndKill(args: readonly string[], prng: Prng): Promise<void> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  await ready(child, () => complaints)
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  // Short lives are as likely as long ones: the first faults are as worth being killed in as the last.
  const life = prng.below(LIFE_MS)
  const timer = setTimeout(() => child.kill('SIGKILL'), life)
  const [code, signal] = await exit
  clearTimeout(timer)
  if (signal !== 'SIGKILL') throw new Error(`the child ended by itself (${code ?? signal}): ${complaints}`)
}

async function ready(child: ChildProcess, complaints: () => string): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS)
  const first = await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'exit')])
  clearTimeout(timer)
  if (!Buffer.isBuffer(first[0])) throw new Error(`the child did not start: ${complaints()}`)
}

/** The pool mounts again, and both a mapping and read(2) show what media has. */
function compareWithMount(pool: string, media: Buffer): void {
  const pmem = mount(pool)
  try {
    const file = pmem.open(FILE_NAME)
    if (file.size !== media.length) throw new Error(`mounted with ${file.size} bytes, media has ${media.length}`)
    if (media.length === 0) return
    const mapped = new Uint8Array(file.mmap({ protection: 'r' }).buffer)
    if (!media.equals(mapped)) throw new Error('a mapping shows other bytes than media')
    const read = Buffer.alloc(media.length)
    if (file.read(read, 0) !== read.length || !read.equals(media)) throw new Error('read shows other bytes than media')
  } finally {
    pmem.close()
  }
}
