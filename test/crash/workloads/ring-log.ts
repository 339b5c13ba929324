/**
 * A log in a ring of slots: the record is made durable, then the number of records appended is. A reader takes the
 * records before that number, all but one of the slots: the one that comes next may be half written.
 *
 *   0    records appended (8 bytes)
 *   64   slots of a line: sequence number, payload, their sum
 */
import type { CrashTest, Region } from '../../../lib/index.js'

const SLOTS = 4
const APPENDS = 6
const LINE = 64

export interface RingLogSteps {
  flushRecord: boolean
  fenceRecord: boolean
  flushTail: boolean
  fenceTail: boolean
  /** Slots a reader trusts. */
  window: number
}

const CORRECT: RingLogSteps = {
  flushRecord: true,
  fenceRecord: true,
  flushTail: true,
  fenceTail: true,
  window: SLOTS - 1,
}

function slotOf(sequence: number): number {
  return LINE + (sequence % SLOTS) * LINE
}

function append(pool: Region, sequence: number, steps: RingLogSteps): void {
  const slot = slotOf(sequence)
  const payload = sequence * 1000 + 7
  pool.mark('write record')
  pool.store64(slot, sequence)
  pool.store64(slot + 8, payload)
  pool.store64(slot + 16, sequence + payload)
  pool.mark('persist record')
  if (steps.flushRecord) pool.flush(slot, LINE)
  if (steps.fenceRecord) pool.fence()
  pool.mark('publish tail')
  pool.store64(0, sequence + 1)
  pool.mark('persist tail')
  if (steps.flushTail) pool.flush(0, 8)
  if (steps.fenceTail) pool.fence()
}

function ringLog(name: string, changes: Partial<RingLogSteps> = {}): CrashTest<Region, string> {
  const steps = { ...CORRECT, ...changes }
  return {
    name: `ring log, ${name}`,
    size: LINE * (SLOTS + 1),
    workload(pool) {
      for (let i = 0; i < APPENDS; i++) {
        pool.operation(`append ${i}`, () => append(pool, i, steps))
        pool.acknowledged(`${i}`)
      }
    },
    recover(pool) {
      const tail = Number(pool.load64(0))
      const records: string[] = []
      for (let i = Math.max(0, tail - steps.window); i < tail; i++) {
        const slot = slotOf(i)
        const [sequence, payload, sum] = [pool.load64(slot), pool.load64(slot + 8), pool.load64(slot + 16)]
        if (sequence !== BigInt(i) || sequence + payload !== sum) throw new Error(`record ${i} is damaged`)
        records.push(`${i}:${payload}`)
      }
      return records.join(' ')
    },
    check(records, { acknowledged }) {
      const last = acknowledged.size - 1
      return last < 0 || records.includes(`${last}:`) || records.includes(`${last + 1}:`) || `record ${last} is gone`
    },
    usable(pool) {
      const tail = Number(pool.load64(0))
      append(pool, tail, CORRECT)
      return Number(pool.load64(0)) === tail + 1
    },
  }
}

export const correct = ringLog('correct')
export const recordNotFlushed = ringLog('record not flushed', { flushRecord: false })
export const recordNotFenced = ringLog('record not fenced', { fenceRecord: false })
export const tailNotFlushed = ringLog('tail not flushed', { flushTail: false })
export const tailNotFenced = ringLog('tail not fenced', { fenceTail: false })
export const windowTooLarge = ringLog('window too large', { window: SLOTS })
