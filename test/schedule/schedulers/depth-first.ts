/**
 * Depth first, with a bound on preemptions (CHESS: Musuvathi and Qadeer 2007): every execution in which at most `bound`
 * times a thread that could go on is stopped. Switches at a sleep or an end are free and all of them are tried.
 *
 * The stack holds one frame for each decision of the last execution: the default was taken first, the alternatives are
 * tried deepest first. When the set of words that threads compete for grows, everything begins anew, with the set kept:
 * places to preempt at may have been missed before.
 */
import { Choice, Control, Decision } from '../control.js'
import { type Given, type Plan, type Run, type Scheduler, SchedulerMode, nextInOrder } from './scheduler.js'

interface Frame {
  readonly step: number
  readonly decision: number
  readonly mask: number
  choice: number
  /** Threads not tried yet. */
  left: number
}

export class DepthFirst implements Scheduler {
  readonly name: string
  /** Executions since the set last grew: those that count. */
  executions = 0
  /** How often everything began anew. */
  restarts = 0
  #stack: Frame[] = []
  #prefix = 0
  #finished = false

  constructor(readonly bound: number) {
    this.name = `depth-first, ${bound === Infinity ? 'unbounded' : `bound ${bound}`}`
  }

  next(): Plan | undefined {
    if (this.#finished) return undefined
    const given: Given[] = []
    for (const { step, decision, choice } of this.#stack) {
      if (choice !== (decision & Decision.Default)) given.push({ step, choice })
    }
    return { mode: SchedulerMode.Follow, given, bound: this.bound === Infinity ? 0x7fffffff : this.bound }
  }

  learn(run: Run): void {
    if (run.grew) {
      this.#stack = []
      this.#prefix = 0
      this.executions = 0
      this.restarts++
      return
    }
    this.executions++
    this.#extend(run.log)
    this.#backtrack()
  }

  #extend(log: Int32Array): void {
    for (let i = 0; i < log.length; i += 3) {
      const [step, decision, mask] = [log[i] as number, log[i + 1] as number, log[i + 2] as number]
      const known = this.#stack[i / 3]
      if (i / 3 < this.#prefix) {
        // The same choices must lead to the same place, or the harness depends on something that is not scheduled.
        const same = known?.step === step && known.decision === decision && known.mask === mask
        if (!same) throw new Error(`not deterministic: at decision ${i / 3}, step ${step}`)
        continue
      }
      const choice = decision & Decision.Default
      this.#stack.push({ step, decision, mask, choice, left: mask & ~(1 << (choice & Choice.Thread)) })
    }
    if (log.length / 3 < this.#prefix) throw new Error(`not deterministic: only ${log.length / 3} decisions`)
  }

  #backtrack(): void {
    const stack = this.#stack
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (frame.left !== 0) {
        const thread = 31 - Math.clz32(frame.left & -frame.left)
        frame.left &= ~(1 << thread)
        frame.choice = thread | (frame.choice & Choice.Wake)
        this.#prefix = stack.length
        return
      }
      stack.pop()
    }
    this.#finished = true
  }
}

/** Follow what is given; where nothing is, go on, and after a sleep take the next in order. */
export function pickGiven(control: Int32Array, current: number, enabled: number, forced: boolean): number {
  if (control[Control.NextGivenStep] === control[Control.Step]) {
    const choice = control[Control.Given + 2 * (control[Control.NextGiven] as number) + 1] as number
    if ((choice & Choice.Wake) === 0) {
      takeGiven(control)
      return choice
    }
  }
  return forced ? nextInOrder(current, enabled) : current
}

export function takeGiven(control: Int32Array): void {
  const next = (control[Control.NextGiven] as number) + 1
  control[Control.NextGiven] = next
  const left = next < (control[Control.GivenLength] as number)
  control[Control.NextGivenStep] = left ? (control[Control.Given + 2 * next] as number) : -1
}
