/** Part 2: a process that writes a log is killed again and again, and each time the log is reopened and checked. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Prng } from '../../prng.js'
import type { Progress as ProgressBar } from '../progress.js'
import { withMount } from '../with-mount.js'
import { type Counters, Totals } from './totals.js'
import { type Verdict, emptyVerdict, judge } from './verdict.js'

/** A writer is killed this long after it said that it is ready. */
const LIFE_MAX_MS = 60
/** Generous: a loaded machine starts Node in a second or two. */
const START_TIMEOUT_MS = 30_000

export interface LogResult {
  readonly verdict: Verdict
  readonly totals: Totals
}

interface Writer {
  ready: boolean
  start: number
  begun: number
  acknowledged: number
  counters: Counters | undefined
}

/**
 * onChild: is given each process as it starts, for killing it when the demo itself is stopped.
 * Errors: PmemError; Error when a writer ends by itself, with what it said.
 */
export async function killPart(
  pool: string,
  rounds: number,
  seed: number,
  onChild: (child: ChildProcess) => void,
  bar: ProgressBar,
): Promise<LogResult> {
  const prng = new Prng(seed)
  const totals = new Totals()
  const verdict = emptyVerdict()
  bar.start(rounds)
  try {
    for (let round = 1; round <= rounds; round++) {
      const writer = await writeUntilKilled([pool, String(seed), String(round)], prng.below(LIFE_MAX_MS), onChild)
      if (writer.counters !== undefined) totals.add(writer.counters)
      await withMount(pool, {}, (pmem) => {
        judge(pmem, seed, writer, verdict)
        totals.add(pmem.stats())
      })
      bar.update(round)
      if (verdict.torn > 0) break
    }
  } finally {
    bar.stop()
  }
  return { verdict, totals }
}

async function writeUntilKilled(
  args: string[],
  lifeMs: number,
  onChild: (child: ChildProcess) => void,
): Promise<Writer> {
  const path = fileURLToPath(new URL('./log-child.js', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', path, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  onChild(child)
  const writer: Writer = { ready: false, start: 0, begun: 0, acknowledged: 0, counters: undefined }
  let complaint = ''
  let timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS)
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const lines = createInterface({ input: child.stdio[3] as Readable })
  lines.on('line', (line) => {
    hear(writer, line)
    if (!line.startsWith('ready ')) return
    clearTimeout(timer)
    timer = setTimeout(() => child.kill('SIGKILL'), lifeMs)
  })
  // What was in the pipe when the process died is read to its end first: an acknowledgement in it counts.
  const drained = once(lines, 'close')
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  await drained
  clearTimeout(timer)
  if (writer.ready && signal === 'SIGKILL') return writer
  const why = /^\s*(?:\w*Error.*)$/m.exec(complaint)?.[0] ?? complaint.trim()
  throw new Error(
    `the log writer ${writer.ready ? 'ended by itself' : 'did not start'}${why === '' ? '' : `: ${why.trim()}`}`,
  )
}

function hear(writer: Writer, line: string): void {
  const space = line.indexOf(' ')
  const value = line.slice(space + 1)
  switch (line.slice(0, space)) {
    case 'ready':
      writer.ready = true
      writer.start = writer.begun = writer.acknowledged = Number(value)
      break
    case 'begin':
      writer.begun = Number(value)
      break
    case 'ack':
      writer.acknowledged = Number(value)
      break
    case 'stats':
      writer.counters = parseCounters(value) ?? writer.counters
      break
  }
}

/** The last line of a killed process may be cut short. */
function parseCounters(text: string): Counters | undefined {
  try {
    return JSON.parse(text) as Counters
  } catch {
    return undefined
  }
}
