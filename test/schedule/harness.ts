/**
 * A harness: a small machine, two to four threads that run real kernel code on it, and what must hold at the end.
 *
 * Besides what a harness checks itself, every execution is checked for all that explorer.ts lists. A harness is code
 * that both sides load by its name, so it keeps nothing between executions: what a thread has to tell it returns.
 */
import type { SmallKernel, SmallSizes } from '../support/small-kernel.js'

export interface HarnessThread {
  /** What it does, as in 'store', 'truncate'. */
  readonly name: string
  /** Return: a number for the check, such as what a load gave; 0 when there is nothing to tell. */
  readonly run: (kernel: SmallKernel) => number
}

export interface Harness {
  /** As in replay strings and file names. */
  readonly name: string
  /** Rules and bugs it is about, and what it shows: the title of its test. */
  readonly shows: string
  readonly sizes: Partial<SmallSizes>
  /** The state each execution starts from. Runs once, in the controller; FILE is 1, mappings are numbered from 1. */
  readonly setup: (kernel: SmallKernel) => void
  readonly threads: readonly HarnessThread[]
  /** Throws what does not hold at the end. results: what the threads returned. */
  readonly check: (kernel: SmallKernel, results: readonly number[]) => void
  /**
   * Preemptions of the short form, and of the full one. Default 2 and 3 for two threads, 1 and 2 for more.
   */
  readonly shortBound?: number
  readonly fullBound?: number
  /** A toy with a planted bug leaves a state no machine may be in. Default true. */
  readonly checksMachine?: boolean
}

export const FILE = 1
export const PAGE = 4096
