/**
 * Part 3: the same log in this process, whose power fails by pmem.crash(): of the lines that were stored but not fenced
 * each one survives or not by chance, as in a real CPU cache. A kill cannot show that, since there nothing survives.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Prng } from '../../prng.js'
import type { Progress as ProgressBar } from '../progress.js'
import { withMount } from '../with-mount.js'
import type { LogResult } from './kill-part.js'
import { type Persist, RecordLog, msyncBytes, persistBytes } from './record-log.js'
import { Totals } from './totals.js'
import { type Progress, type Verdict, emptyVerdict, judge } from './verdict.js'
import { appendGroup } from './workload.js'

/** The power fails at one of this many first steps of a round; a step is one call that makes bytes durable. */
const STEPS_MAX = 40

export interface CrashResult extends LogResult {
  readonly linesAtRisk: number
  readonly linesSurvived: number
}

/** Thrown where the power fails: nothing after it runs. */
class PowerFailure extends Error {}

/** Odd rounds make bytes durable by msync, even ones by cache line. Errors: PmemError. */
export async function crashPart(pool: string, rounds: number, seed: number, bar: ProgressBar): Promise<CrashResult> {
  const prng = new Prng(seed)
  const totals = new Totals()
  const verdict: Verdict = emptyVerdict()
  let linesAtRisk = 0
  let linesSurvived = 0
  bar.start(rounds)
  try {
    await withMount(pool, {}, async (pmem) => {
      for (let round = 1; round <= rounds && verdict.torn === 0; round++) {
        const log = new RecordLog(pmem, { persist: failAfter(prng, round % 2 === 1 ? msyncBytes : persistBytes) })
        const progress = writeUntilPowerFails(log, seed, round, prng)
        const report = pmem.crash({ survive: 'random', seed: prng.next() })
        linesAtRisk += report.linesAtRisk
        linesSurvived += report.linesSurvived
        log.close()
        judge(pmem, seed, progress, verdict)
        bar.update(round)
        await nextTurn()
      }
      totals.add(pmem.stats())
    })
  } finally {
    bar.stop()
  }
  return { verdict, totals, linesAtRisk, linesSurvived }
}

/** The power fails before the call is made, or after it and before its caller learns of it. */
function failAfter(prng: Prng, persist: Persist): Persist {
  let steps = prng.below(STEPS_MAX)
  const before = prng.chance(0.5)
  return (mapping, offset, length) => {
    const fails = steps-- === 0
    if (fails && before) throw new PowerFailure()
    persist(mapping, offset, length)
    if (fails) throw new PowerFailure()
  }
}

function writeUntilPowerFails(log: RecordLog, seed: number, round: number, prng: Prng): Progress {
  const start = log.last
  let begun = start
  let acknowledged = start
  try {
    for (;;) {
      begun = appendGroup(log, seed, round, prng)
      acknowledged = log.commit()
    }
  } catch (error) {
    if (!(error instanceof PowerFailure)) throw error
    begun = Math.max(begun, log.last)
  }
  return { start, begun, acknowledged }
}
