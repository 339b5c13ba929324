/** What an exploration reports: plain data, as `--json` prints it, as shards are merged from, as pages are made of. */
import { wrongType } from '../args.js'
import type { EngineName } from './engines/index.js'
import type { Counts } from './exploration.js'
import type { Finding } from './findings.js'
import type { Oracle } from './judge.js'
import type { Diagnosis } from './diagnose.js'
import type { Domain } from './timeline.js'

/** Version of the JSON. */
export const REPORT_FORMAT = 1

/** A store, as a reader of the program knows it. */
export interface StoreReference {
  /** Number of the operation in the log. */
  readonly op: number
  readonly file: number
  readonly offset: number
  readonly length: number
  /** The bytes, in hex. */
  readonly bytes: string
  readonly nonTemporal: boolean
  readonly label: string
  readonly location: string
}

/** A line as it would be if nothing were lost, and as it is in the failing image. In hex. */
export interface LineDifference {
  readonly file: number
  readonly offset: number
  readonly expected: string
  readonly image: string
}

export interface Failure {
  readonly oracle: Oracle
  readonly message: string
  /** The power failed before this operation of the log; after the last one when it is the number of operations. */
  readonly op: number
  /** What the program did then. */
  readonly during: string
  /** 'lost': the image has everything but `stores`. 'kept': it has, of what was pending, only `stores`. */
  readonly reading: 'lost' | 'kept'
  readonly stores: readonly StoreReference[]
  readonly diagnosis: Diagnosis | undefined
  readonly differences: readonly LineDifference[]
  /** Pending lines and for each its variant: names the state. */
  readonly variants: readonly (readonly [line: number, variant: number])[]
}

/** One row of the timeline. */
export interface LoggedOperation {
  readonly op: number
  readonly kind: string
  readonly thread: number
  readonly file: number
  readonly offset: number
  readonly length: number
  readonly label: string
  readonly location: string
  readonly word: string
}

export interface Report {
  readonly format: typeof REPORT_FORMAT
  readonly name: string
  /** Of the log: reports of one campaign agree in it. */
  readonly digest: number
  readonly engine: EngineName
  readonly domain: Domain
  readonly form: 'bare' | 'live' | 'store log'
  readonly shard: { readonly index: number; readonly count: number } | undefined
  /** Why it ended before the engine did: a budget. */
  readonly stopped: 'states' | 'seconds' | 'bad images' | undefined
  /** It looked at all it was asked to: everything, or as far as a budget that the caller has chosen. */
  readonly isComplete: boolean
  /** Lines with too many possible contents, of which some were left out. */
  readonly truncated: boolean
  readonly counts: Counts
  /** Operations in the log. */
  readonly operations: number
  readonly failures: readonly Failure[]
  readonly findings: readonly Finding[]
  /** What went wrong in the run itself: it threw, exited, stored nothing. */
  readonly workload: string | undefined
  readonly seconds: number
  /** The log, as far as a page can show it. */
  readonly log: readonly LoggedOperation[]
}

/**
 * Return: does the program survive? No, when a default limit ended the search before it was over.
 * Errors: TypeError for what is no report.
 */
export function hasPassed(report: Report): boolean {
  const counts: unknown = (report as Partial<Report> | undefined | null)?.counts
  if (typeof counts !== 'object' || counts === null) throw wrongType('report', 'what explore returned', report)
  return isPassed(report)
}

function isPassed({ counts, workload, isComplete }: Report): boolean {
  return counts.bad === 0 && workload === undefined && isComplete
}
