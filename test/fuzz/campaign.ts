/**
 * A fuzzed process, watched from outside: it must end by itself, with status 0, and must not stand still.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Silence } from '../support/silence.js'
import type { FuzzResult, FuzzTask } from './process.fixture.js'

export interface Campaign {
  readonly calls: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly rounds: number
  /** What is wrong; empty: nothing. The same complaint is there once. */
  readonly complaints: readonly string[]
}

export interface CampaignOptions {
  readonly seed: number
  readonly calls: number
  readonly threads: number
  readonly plant?: string
  /** Without a call for so long the process is taken to hang. Default 60 s. */
  readonly silenceMs?: number
  readonly onProgress?: (calls: number) => void
}

const COMPLAINTS_MAX = 12
/** V8's heap grows and shrinks by mappings of its own; shared words are collected with their last JS object. */
const SLACK: Readonly<Record<string, number>> = { mappings: 400, large: 10 }

export async function fuzzApi(options: CampaignOptions): Promise<Campaign> {
  const { seed, calls, threads, plant = '', silenceMs = 60_000, onProgress } = options
  const scratch = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-fuzz-'))
  const task: FuzzTask = { seed, calls, threads, scratch, plant }
  const script = fileURLToPath(new URL('./process.fixture.js', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  let result: FuzzResult | undefined
  let last = 0
  const silence = { is: false }
  const onSilence = (): void => {
    silence.is = true
    child.kill('SIGKILL')
  }
  const watchdog = new Silence(silenceMs, onSilence)
  child.stderr.on('data', (chunk: Buffer) => (stderr = `${stderr}${chunk.toString()}`.slice(-8000)))
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told = JSON.parse(line) as { progress?: number; result?: FuzzResult }
    result ??= told.result
    if (told.progress === undefined || told.progress === last) return
    last = told.progress
    watchdog.refresh()
    onProgress?.(last)
  })
  try {
    const ended = await new Promise<string>((resolve) => {
      child.on('close', (code, signal) => resolve(signal ?? String(code)))
    })
    const end = silence.is ? `no call for ${silenceMs} ms` : `ended with ${describeEnd(ended)}`
    const complaints =
      ended === '0' && result !== undefined
        ? complaintsOf(result)
        : [`${end}; in progress:\n${lastCalls(scratch)}\n${stderr}`]
    const { outcomes = {}, rounds = 0 } = result ?? {}
    return { calls: result?.calls ?? last, outcomes, rounds, complaints }
  } finally {
    watchdog.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Node turns some signals into a status. */
function describeEnd(end: string): string {
  const number = Number(end) - 128
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0]
  return name === undefined ? end : `${end} (${name})`
}

function complaintsOf({ problems, before, after, descriptors }: FuzzResult): string[] {
  const byText = new Map<string, { text: string; count: number }>()
  for (const { call, number, complaint } of problems) {
    const key = complaint.replace(/\d+/g, 'N').slice(0, 300)
    const known = byText.get(key)
    if (known === undefined) byText.set(key, { text: `call ${number}, ${call}: ${complaint}`, count: 1 })
    else known.count++
  }
  const found = [...byText.values()].map(({ text, count }) => (count === 1 ? text : `${count} times, first ${text}`))
  const leaks = Object.entries(after)
    .filter(([what, count]) => count > (before[what] ?? 0) + (SLACK[what] ?? 0))
    .map(([what, count]) => `leak: ${what} ${before[what] ?? 0} before, ${count} after`)
  if (leaks.length > 0) leaks.push(`descriptors: ${descriptors.join(', ')}`)
  return [...leaks, ...found.slice(0, COMPLAINTS_MAX)]
}

/** The black boxes of the threads. */
function lastCalls(scratch: string): string {
  if (!existsSync(scratch)) return ''
  const boxes = readdirSync(scratch).filter((name) => /^thread-\d+\.txt$/.test(name))
  return boxes.map((name) => `  ${name}: ${readFileSync(join(scratch, name), 'utf8').trim()}`).join('\n')
}

/** How to make the same calls again. */
export function replayHint({ seed, calls, threads }: CampaignOptions): string {
  return `replay with: SEED=${seed} CALLS=${calls} THREADS=${threads} npm run test:fuzz`
}
