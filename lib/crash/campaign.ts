/**
 * A campaign: explore what was recorded within limits, then make of the failures something a person can act on.
 *
 * Looks run in batches under a time limit (guard.ts), or each function of the user's under its own. One that has to be
 * stopped is a failure of that image, and the exploration goes on with the next.
 */
import { AtomicOracle, statesOfOperations } from './atomic-oracle.js'
import { engineOf } from './engines/index.js'
import { errorText } from './error-text.js'
import { Exploration, type FailingState } from './exploration.js'
import type { ResolvedOptions } from './explore-options.js'
import { findMistakes } from './findings.js'
import { BATCH_MS, TimeLimitError, settleWithin, withTimeLimit, withoutExit } from './guard.js'
import { Journal } from './journal.js'
import type { Judge, Oracle, Recovered } from './judge.js'
import { describeFailure, loggedOperations } from './describe.js'
import { type Failure, REPORT_FORMAT, type Report } from './report.js'
import { StateReplay } from './replay-state.js'
import { shrink } from './shrink.js'
import type { Subject } from './subject.js'
import { Timeline } from './timeline.js'

/** Failures that are shrunk, and how many of them a report has. */
const SHRUNK_MAX = 12
const REPORTED_MAX = 5
const PROGRESS_MS = 100
/**
 * The limit can strike between looks, where nobody is to blame and nothing can go on. A machine does not stand still
 * for so long; a recovery that hangs is given so much.
 */
const STALL_MS = 1000

export interface CampaignOptions extends ResolvedOptions {
  /** A journal that survives the death of the process at any time. */
  readonly isStrict?: boolean
  /** Shrinking runs recovery on further images; a process that died of it must not try again. */
  readonly mayShrink?: boolean
  readonly onShrink?: () => void
}

/** Errors: JournalError. */
export async function runCampaign(subject: Subject, options: CampaignOptions): Promise<Report> {
  const started = performance.now()
  return withoutExit(async () => {
    const { log, base, judge: plain } = subject
    const judge = subject.atomic ? await atomicJudge(subject, options) : plain
    const digest = log.digest()
    const timeline = new Timeline(log, base, options.domain)
    const identity = JSON.stringify([digest, options.engine, options.k, options.seed, options.samples, options.domain])
    const journal =
      options.resume === undefined
        ? undefined
        : new Journal(options.resume, `${identity}${JSON.stringify(options.shard)}`, options.isStrict ?? false)
    const exploration = new Exploration(timeline, judge, {
      engine: engineOf(options.engine, options),
      ...(options.shard === undefined ? {} : { shard: options.shard }),
      maxStates: options.maxStates,
      maxBad: options.maxBad,
      ...(journal === undefined ? {} : journalHooks(journal)),
    })
    const stopped = await work(exploration, options, judge.limitsItself === true, started)
    journal?.close()
    options.onShrink?.()
    for (const line of timeline.lines) judge.put(line, 0)
    const failures = await shrinkFailures(subject, judge, exploration.failures, options)
    return {
      format: REPORT_FORMAT,
      name: subject.name,
      digest,
      engine: options.engine,
      domain: options.domain,
      form: subject.form,
      shard: options.shard,
      stopped,
      isComplete: stopped === undefined || options.isBudgetGiven,
      truncated: exploration.truncated,
      counts: exploration.counts,
      operations: log.count,
      failures,
      findings: findMistakes(log, options.domain),
      workload: subject.workload,
      seconds: (performance.now() - started) / 1000,
      log: loggedOperations(log),
    }
  })
}

function journalHooks(journal: Journal) {
  return {
    recall: (look: number) => journal.recall(look),
    onLook: (look: number) => journal.begin(look),
    onOutcome: (look: number, outcome: Parameters<Journal['add']>[1]) => journal.add(look, outcome),
  }
}

async function atomicJudge({ log, base, judge }: Subject, { domain, timeLimit }: ResolvedOptions): Promise<Judge> {
  const recover = (): Recovered | Promise<Recovered> => {
    const recovering = withTimeLimit(timeLimit, () => judge.recover())
    return recovering instanceof Promise ? settleWithin(timeLimit, recovering) : recovering
  }
  const limited: Judge = { ...boundJudge(judge), recover }
  try {
    return new AtomicOracle(judge, await statesOfOperations(log, base, domain, limited))
  } catch (error) {
    // Recovery hangs without any crash: the exploration meets that and says so.
    if (error instanceof TimeLimitError) return judge
    throw error
  }
}

function boundJudge(judge: Judge): Judge {
  return {
    put: (line, variant) => judge.put(line, variant),
    recover: () => judge.recover(),
    check: (state, expectation) => judge.check(state, expectation),
  }
}

async function work(
  exploration: Exploration,
  { timeLimit, seconds, onProgress }: ResolvedOptions,
  limitsItself: boolean,
  started: number,
): Promise<Report['stopped']> {
  const end = started + seconds * 1000
  let told = started
  for (;;) {
    const deadline = Math.min(performance.now() + BATCH_MS, end)
    const limit = timeLimit === 0 || limitsItself ? 0 : Math.max(timeLimit, STALL_MS) + BATCH_MS
    try {
      const status = withTimeLimit(limit, () => exploration.run(deadline))
      if (status === 'done') return undefined
      if (status === 'states' || status === 'bad images') return status
      if (status instanceof Promise) await settleWithin(timeLimit, status)
    } catch (error) {
      if (!exploration.isLooking) throw error
      const oracle: Oracle = error instanceof TimeLimitError ? 'time limit' : 'recovery'
      exploration.endLook({ oracle, message: `recovery ${errorText(error)}` })
    }
    const now = performance.now()
    if (now >= end) return 'seconds'
    if (now - told < PROGRESS_MS) continue
    told = now
    onProgress?.(exploration.counts)
    // Signals and timers of the program get their turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** What to mend: the same for many images. */
function mistakeOf({ oracle, op, diagnosis }: Failure): string {
  if (diagnosis === undefined) return `${oracle} ${op}`
  return `${diagnosis.kind} ${diagnosis.label === '' ? diagnosis.text : diagnosis.label}`
}

/** The smallest failures, each kind of mistake once. */
async function shrinkFailures(
  subject: Subject,
  judge: Judge,
  found: readonly FailingState[],
  options: CampaignOptions,
): Promise<Failure[]> {
  const failures = new Map<string, Failure>()
  const firstOfEach = new Map<string, FailingState>()
  for (const failure of found) {
    const key = `${failure.oracle} ${failure.moment}`
    if (!firstOfEach.has(key)) firstOfEach.set(key, failure)
  }
  for (const failing of [...firstOfEach.values()].slice(0, SHRUNK_MAX)) {
    const replay = new StateReplay(subject.log, subject.base, options.domain, judge, failing.moment)
    try {
      const harmful = failing.oracle === 'time limit' || failing.oracle === 'process'
      const isShrunk = !harmful && options.mayShrink !== false
      const shrunk = isShrunk ? await shrink(replay, failing, options.timeLimit) : undefined
      const failure = describeFailure(subject.log, replay, failing, shrunk)
      const key = mistakeOf(failure)
      const known = failures.get(key)
      if (known === undefined || known.stores.length > failure.stores.length) failures.set(key, failure)
    } finally {
      replay.close()
    }
  }
  const sorted = [...failures.values()].sort((a, b) => a.stores.length - b.stores.length || a.op - b.op)
  return sorted.slice(0, REPORTED_MAX)
}
