/**
 * Rounds of: start a process that mutates a pool, kill it with SIGKILL at a random moment, look at what media holds.
 * One pool for all rounds, so that each begins with what the one before left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { once } from 'node:events'
import { mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
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
  /** Rounds that ended with stores no sync had covered. */
  killedInFlight: number
}

/**
 * pool, journal: paths; the pool may have a file of former rounds. progress: called after each round.
 * Errors: the first round that lost or invented a byte, with all lines concerned.
 */
export async function killRounds(
  pool: string,
  journal: string,
  rounds: number,
  seed: number,
  progress: (tally: Tally) => void = () => undefined,
): Promise<Tally> {
  const prng = new Prng(seed)
  const history = new FileHistory()
  const tally: Tally = { rounds: 0, operations: 0, acknowledgedLines: 0, killedInFlight: 0 }
  const media = join(pool, FILE_NAME)
  for (let round = 0; round < rounds; round++) {
    history.adopt(existsSync(media) ? readFileSync(media) : new Uint8Array(0))
    const threads = round % 3 === 2 ? 3 : 1
    // A file that is created, or was left short, gets its size before several threads share it.
    prepare(pool)
    history.adopt(readFileSync(media))
    rmSync(journal, { force: true })
    await runAndKill([pool, journal, String(prng.below(2 ** 31)), String(threads)], prng)

    const records = readJournal(journal)
    for (const record of records) applyRecord(history, record)
    const problems = history.check(readFileSync(media))
    if (problems.length > 0) {
      throw new Error(`round ${round} of seed ${seed} (${threads} threads): ${problems.slice(0, 5).join('\n')}`)
    }
    compareWithMount(pool, readFileSync(media))
    tally.rounds++
    tally.operations += records.length
    tally.acknowledgedLines += history.acknowledgedLines
    if (!['synced', 'fenced', 'resized'].includes(records.at(-1)?.op ?? 'synced')) tally.killedInFlight++
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
