/** What runStress is given to see whether it notices. FAULTLINE_MEDDLE says what; it happens after the first round. */
import { Operation } from '../../lib/stress/operations.js'
import type { Stage } from '../../lib/stress/stage.js'

export type Meddling = 'store' | 'hang' | 'die' | 'throw'

const MEDDLING: Readonly<Record<Meddling, (stage: Stage) => void>> = {
  /**
   * Stores nobody knows of, through a mapping of its own: what lost or misplaced stores look like. One in each page,
   * since the next round may overwrite some before anybody looks.
   */
  store(stage) {
    const map = stage.pmem.open('mixed-1').mmap()
    const bytes = new Uint8Array(map.buffer)
    for (let at = 1000; at < bytes.length; at += 4096) bytes[at] = (bytes[at] as number) ^ 0x10
    map.unmap()
  },

  hang(stage) {
    stage.op(Operation.Truncate, 3, 4096 * 17 + 5, 0)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },

  die() {
    process.kill(process.pid, 'SIGBUS')
  },

  throw() {
    throw new RangeError('an error that nobody expects')
  },
}

export function meddle(stage: Stage): void {
  if (stage.thread !== 1 || stage.round !== 0) return
  MEDDLING[process.env['FAULTLINE_MEDDLE'] as Meddling](stage)
}
