/**
 * A wait table with a bug on purpose: the Nth wake-up does not reach its sleeper, who has left the queue already and
 * sleeps for ever, as if it had been lost in a race (S0.5, K17). Whoever looks for hangs must notice.
 *
 * Only with the environment variable FAULTLINE_LOSE_WAKE=N, for tests of that; N counts the sleepers a mount wakes.
 */
import type { SharedWords } from './shared-words.js'
import type { Threads } from './threads.js'
import { WaitTable } from './wait-table.js'

export class LossyWaitTable extends WaitTable {
  constructor(
    private readonly shared: SharedWords,
    base: number,
    buckets: number,
    threads: Threads,
    /** Word that counts down to the wake-up that is lost. */
    private readonly fuse: number,
  ) {
    super(shared, base, buckets, threads)
  }

  protected override deliver(record: number): void {
    if (this.shared.add(this.fuse, -1) !== 1) super.deliver(record)
  }
}
