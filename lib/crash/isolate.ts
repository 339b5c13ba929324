/**
 * A campaign in a process of its own. The journal tells which image was looked at when that process died; that image is
 * a failure, and a new process goes on behind it.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildMessage, ChildRequest } from './isolated-child.js'
import { type ExploreOptions, resolveExploreOptions } from './explore-options.js'
import { blameLook } from './journal.js'
import { type Report, REPORT_FORMAT } from './report.js'

export class IsolatedError extends Error {
  override readonly name = 'IsolatedError'
}

const CHILD = fileURLToPath(new URL('./isolated-child.js', import.meta.url))
/** Processes that may die of one campaign. */
const DEATHS_MAX = 50
/** A process that stops by its own time limit says so well before this. */
const SILENCE_MS = 5000

interface Ending {
  readonly report?: Report
  /** How it died, and of what. */
  readonly death?: string
  readonly isHung?: boolean
  readonly phase: string
}

/**
 * path: module of a crash test; exportName: one of its exports.
 * Errors: IsolatedError with the child's words; when the process dies too often.
 */
export async function exploreIsolated(
  path: string,
  exportName: string | undefined,
  options: ExploreOptions,
): Promise<Report> {
  const { onProgress, ...plain } = options
  const { timeLimit } = resolveExploreOptions(options)
  const scratch = mkdtempSync(join(tmpdir(), 'faultline-crash-'))
  const journal = plain.resume ?? join(scratch, 'journal')
  let mayShrink = true
  try {
    for (let deaths = 0; deaths <= DEATHS_MAX; deaths++) {
      const request: ChildRequest = { path, exportName, options: { ...plain, resume: journal }, mayShrink }
      const silence = timeLimit === 0 ? Infinity : timeLimit * 2 + SILENCE_MS
      const ending = await runChild(request, silence, onProgress)
      if (ending.report !== undefined) return ending.report
      const message = `recovery ${ending.death ?? 'ended the process'}`
      const oracle = ending.isHung === true ? 'time limit' : 'process'
      const look = blameLook(journal, { complaint: { oracle, message }, inRecovery: true })
      if (look !== undefined) continue
      if (ending.phase === 'shrinking' && mayShrink) mayShrink = false
      else return unexplored(exportName ?? path, plain, ending.death ?? 'ended the process')
    }
    throw new IsolatedError(`recovery ended the process for more than ${DEATHS_MAX} images: the search was given up`)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function runChild(request: ChildRequest, silence: number, onProgress: ExploreOptions['onProgress']): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // What the program prints is not the report.
    const child = fork(CHILD, { stdio: ['ignore', 2, 2, 'ipc'] })
    let phase = 'start'
    let report: Report | undefined
    let failure: Error | undefined
    let isHung = false
    let timer: NodeJS.Timeout | undefined
    const heard = (): void => {
      clearTimeout(timer)
      if (silence === Infinity || phase === 'shrinking') return
      timer = setTimeout(() => {
        isHung = true
        child.kill('SIGKILL')
      }, silence)
    }
    heard()
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'phase') phase = message.phase
      else if (message.type === 'report') report = message.report
      else if (message.type === 'counts') onProgress?.(message.counts)
      else failure = new IsolatedError(message.message)
      heard()
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      if (failure !== undefined) reject(failure)
      else if (report !== undefined) resolve({ report, phase })
      else if (isHung) resolve({ death: `did not end within ${silence} ms`, isHung, phase })
      else resolve({ death: `ended the process (${signal ?? `status ${code ?? 0}`})`, phase })
    })
    child.send(request)
  })
}

/** The run itself took the process with it: there is nothing to explore. */
function unexplored(name: string, options: ExploreOptions, workload: string): Report {
  const { engine, domain, shard } = resolveExploreOptions(options)
  return {
    format: REPORT_FORMAT,
    name,
    digest: 0,
    engine,
    domain,
    form: 'bare',
    shard,
    stopped: undefined,
    isComplete: true,
    truncated: false,
    counts: { moments: 0, states: 0, images: 0, bad: 0, looks: 0, semantic: 0 },
    operations: 0,
    failures: [],
    findings: [],
    workload,
    seconds: 0,
    log: [],
  }
}
