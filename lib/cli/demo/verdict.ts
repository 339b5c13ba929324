/** What became of the records of a log, over many power failures. */
import type { Pmem } from '../../fs/pmem.js'
import { TornLogError } from './log-file.js'
import { RecordLog } from './record-log.js'
import { isPayload } from './workload.js'

/** Sequence numbers up to which a writer got before its power failed. */
export interface Progress {
  /** Last record of the log it began with. */
  readonly start: number
  /** Last record it had stored. */
  readonly begun: number
  /** Last record whose commit had returned. */
  readonly acknowledged: number
}

export interface Verdict {
  failures: number
  /** Records whose commit had returned, and those of them found again. */
  acknowledged: number
  recovered: number
  /** Acknowledged and gone: must be 0. */
  lost: number
  /** Reopenings that found a record that is not as it was written: must be 0. */
  torn: number
  /** Stored but not acknowledged when the power failed: either is right. */
  unacknowledgedKept: number
  unacknowledgedLost: number
  logFiles: number
  /** What the first torn log said. */
  complaint: string | undefined
}

export function emptyVerdict(): Verdict {
  return {
    failures: 0,
    acknowledged: 0,
    recovered: 0,
    lost: 0,
    torn: 0,
    unacknowledgedKept: 0,
    unacknowledgedLost: 0,
    logFiles: 0,
    complaint: undefined,
  }
}

/** Open the log as its next user would, check every record of it, and add what was found to the verdict. */
export function judge(pmem: Pmem, seed: number, progress: Progress, verdict: Verdict): void {
  verdict.failures++
  const { start, begun, acknowledged } = progress
  let last = 0
  try {
    using log = new RecordLog(pmem, { readOnly: true })
    for (const { sequence, payload } of log.records()) {
      if (!isPayload(payload, seed, sequence)) throw new TornLogError(`record ${sequence} is not the one written`)
      last = sequence
    }
    verdict.logFiles = log.fileCount
  } catch (error) {
    if (!(error instanceof TornLogError)) throw error
    verdict.torn++
    verdict.complaint ??= error.message
  }
  const lost = Math.max(0, acknowledged - last)
  verdict.acknowledged += acknowledged - start
  verdict.lost += lost
  verdict.recovered += acknowledged - start - Math.min(lost, acknowledged - start)
  verdict.unacknowledgedKept += Math.max(0, last - acknowledged)
  verdict.unacknowledgedLost += Math.max(0, begun - Math.max(last, acknowledged))
}

export function isSound(verdict: Verdict): boolean {
  return verdict.lost === 0 && verdict.torn === 0
}
