/**
 * The turnstile: one thread runs, all others are parked at their gates. Before each step the running thread asks itself
 * who makes the next one; only when that is another thread is the turn handed over, which costs a notify and a wait. A
 * step without a switch costs a few plain accesses.
 *
 * What is a step, what is a switch and why less than all of them need to be tried: explorer.ts.
 */
import { Choice, Control, Decision, LOG_MAX, TAKEN_MAX, ThreadState, WordFlag } from './control.js'
import { takeGiven } from './schedulers/depth-first.js'
import { pickNext } from './schedulers/picks.js'
import { draw } from './schedulers/random.js'
import { SchedulerMode } from './schedulers/scheduler.js'
import { Unwind, type ViolationKind } from './violation.js'

/** Steps that changed nothing, after which a thread is taken to spin and the others go first. */
const IDLE_STEPS_MAX = 700
/** How often that may happen in one execution. */
const YIELDS_MAX = 60
/** Looks at the gate before sleeping at it. */
const GATE_SPINS = 200
/** Loads of one word in a row after which one more is no place to preempt at. */
const REPEATS_MAX = 2

export class Turnstile {
  /** False outside executions: steps are plain accesses. */
  active = false
  /** Steps and wakes of threads, in place of an exception that kernel code may throw on its way out. */
  onStuck: () => void = () => undefined
  /** Number of the step being made. */
  step = 0
  #leaving = false
  /** The turn was given to us for this very step. */
  #fresh = false
  #idle = 0
  #lastLoad = -1
  #repeats = 0

  constructor(
    private readonly control: Int32Array,
    private readonly flags: Int32Array,
    readonly me: number,
    private readonly note: (kind: ViolationKind, message: string) => void,
  ) {}

  /** The turn is ours and an execution begins. */
  begin(): void {
    this.active = true
    this.control[Control.Begun + this.me] = 1
    this.#leaving = false
    this.#fresh = true
    this.#idle = 0
    this.#lastLoad = -1
  }

  /** Leave the execution with a violation. */
  fail(kind: ViolationKind, message: string): never {
    if (!this.#leaving) this.note(kind, message)
    this.#leaving = true
    throw new Unwind()
  }

  /** A step on one word is about to be made. */
  enter(at: number, write: boolean): void {
    let hot = this.touch(at, write)
    if (write) {
      this.#lastLoad = -1
    } else if (at === this.#lastLoad) {
      if (++this.#repeats > REPEATS_MAX) hot = false
    } else {
      this.#lastLoad = at
      this.#repeats = 0
    }
    this.pass(hot, write)
  }

  /** Note who touches the word. Return: whether threads compete for it. */
  touch(at: number, write: boolean): boolean {
    const seen = this.flags[at] as number
    const bits = (1 << this.me) | (write ? 1 << (this.me + WordFlag.WriterShift) : 0)
    if ((seen & bits) === bits) return (seen & WordFlag.Hot) !== 0
    let now = seen | bits
    const touchers = (now | (now >> WordFlag.WriterShift)) & WordFlag.Readers
    const competing = (now & WordFlag.Writers) !== 0 && (touchers & (touchers - 1)) !== 0
    if (competing && (seen & WordFlag.Hot) === 0) {
      now |= WordFlag.Hot
      this.control[Control.Grew] = 1
    }
    this.flags[at] = now
    return (now & WordFlag.Hot) !== 0
  }

  /** Before a step. hot: a place to preempt at. */
  pass(hot: boolean, write: boolean): void {
    const { control } = this
    if (this.#leaving) throw new Unwind()
    const spins = !write && this.#idle >= IDLE_STEPS_MAX
    if (this.#fresh) this.#fresh = false
    else if (spins) this.#yield()
    else if (hot || control[Control.NextGivenStep] === control[Control.Step]) this.#choose()
    this.#idle = write ? 0 : this.#idle + 1
    this.step = control[Control.Step] as number
    control[Control.Step] = this.step + 1
    if (this.step >= (control[Control.StepsMax] as number)) this.fail('livelock', `no end after ${this.step} steps`)
  }

  /** A step that failed to change anything: a compare-and-swap that found another value. */
  changedNothing(idleBefore: number): void {
    this.#idle = idleBefore + 1
  }

  get idle(): number {
    return this.#idle
  }

  /** Sleep on the word until notified. Context: the word was looked at in this step. */
  sleep(at: number, expected: number): void {
    const { control, me } = this
    control[Control.State + me] = ThreadState.Blocked
    control[Control.WaitWord + me] = at
    control[Control.Expected + me] = expected
    const sleeps = control[Control.Sleeps] as number
    control[Control.SleptAt + me] = sleeps
    control[Control.Sleeps] = sleeps + 1
    if (this.#handOver()) this.park()
    else this.#stuck()
  }

  /**
   * Wake sleepers of the word, in the order they came, or when only some are to be woken, whichever is chosen: a
   * sleeper looks four times a second whether the machine is dead and queues again, so any may be first.
   * Return: how many.
   */
  wake(at: number, count: number): number {
    const { control } = this
    let woken = 0
    while (woken < count) {
      const sleepers = this.#sleepers(at)
      if (sleepers === 0) break
      const all = count >= 4
      const thread = all ? this.#oldest(sleepers) : this.#chooseSleeper(sleepers)
      control[Control.State + thread] = ThreadState.Ready
      woken++
    }
    return woken
  }

  /** The scenario of this thread is over. Return: false when everything is. */
  finish(): boolean {
    this.active = false
    this.control[Control.State + this.me] = ThreadState.Finished
    if (this.#handOver()) return true
    const { control } = this
    for (let thread = 0; thread < (control[Control.Threads] as number); thread++) {
      if (control[Control.State + thread] === ThreadState.Blocked) {
        this.onStuck()
        break
      }
    }
    return false
  }

  /** Wait for the turn. */
  park(): void {
    this.waitAtGate()
    this.#fresh = true
    this.#idle = 0
    this.#lastLoad = -1
    if (this.control[Control.Aborting] === 1) {
      this.#leaving = true
      throw new Unwind()
    }
  }

  waitAtGate(): void {
    const { control } = this
    const gate = Control.Gate + this.me
    for (let spin = 0; spin < GATE_SPINS; spin++) if (Atomics.load(control, gate) !== 0) break
    while (Atomics.load(control, gate) === 0) Atomics.wait(control, gate, 0)
    Atomics.store(control, gate, 0)
  }

  /** Mask of the threads that can run. */
  #enabled(): number {
    const { control } = this
    let mask = 0
    for (let thread = 0; thread < (control[Control.Threads] as number); thread++) {
      if (control[Control.State + thread] !== ThreadState.Ready) continue
      const after = control[Control.After + thread] as number
      if (after === 0 || control[Control.Begun + after - 1] === 1) mask |= 1 << thread
    }
    return mask
  }

  #choose(): void {
    const { control, me } = this
    const enabled = this.#enabled()
    if ((enabled & ~(1 << me)) === 0) return
    if ((control[Control.Preemptions] as number) < (control[Control.Bound] as number)) {
      this.#log(me | Decision.Preemptive, enabled)
    }
    const next = this.#pick(enabled, false)
    if (next === me) return
    control[Control.Preemptions] = (control[Control.Preemptions] as number) + 1
    this.#switchTo(next)
    this.park()
    this.#fresh = false
  }

  /** It spins: let the others go on, without calling it a preemption. */
  #yield(): void {
    const { control, me } = this
    this.#idle = 0
    const others = this.#enabled() & ~(1 << me)
    if (others === 0) return
    const yields = (control[Control.Yields] as number) + 1
    control[Control.Yields] = yields
    if (yields > YIELDS_MAX) this.fail('livelock', `threads spin, ${yields} times over, and none gets on`)
    this.#forced(others)
    this.park()
    this.#fresh = false
  }

  /** Return: false when nobody can run. */
  #handOver(): boolean {
    const enabled = this.#enabled()
    if (enabled === 0) return false
    this.#forced(enabled)
    return true
  }

  #forced(enabled: number): void {
    const { me } = this
    if ((enabled & (enabled - 1)) !== 0) {
      let first = me
      do first = (first + 1) & 3
      while ((enabled & (1 << first)) === 0)
      this.#log(first, enabled)
    }
    this.#switchTo(this.#pick(enabled, true))
  }

  #pick(enabled: number, forced: boolean): number {
    const { control, me } = this
    const next = pickNext(control, me, enabled, forced)
    if ((enabled & (1 << next)) === 0) {
      this.fail('replay', `at step ${control[Control.Step]} thread ${next} cannot run: another program or harness?`)
    }
    return next
  }

  #switchTo(next: number): void {
    this.#take(this.control[Control.Step] as number, next)
    Atomics.store(this.control, Control.Gate + next, 1)
    Atomics.notify(this.control, Control.Gate + next)
  }

  #stuck(): never {
    this.#leaving = true
    this.onStuck()
    throw new Unwind()
  }

  #sleepers(at: number): number {
    const { control } = this
    let mask = 0
    for (let thread = 0; thread < (control[Control.Threads] as number); thread++) {
      const asleep = control[Control.State + thread] === ThreadState.Blocked
      if (asleep && control[Control.WaitWord + thread] === at) mask |= 1 << thread
    }
    return mask
  }

  #oldest(sleepers: number): number {
    const { control } = this
    let best = -1
    for (let mask = sleepers; mask !== 0; mask &= mask - 1) {
      const thread = 31 - Math.clz32(mask & -mask)
      const earlier =
        best < 0 || (control[Control.SleptAt + thread] as number) < (control[Control.SleptAt + best] as number)
      if (earlier) best = thread
    }
    return best
  }

  #chooseSleeper(sleepers: number): number {
    const { control } = this
    const oldest = this.#oldest(sleepers)
    if ((sleepers & (sleepers - 1)) === 0) return oldest
    this.#log(oldest | Choice.Wake, sleepers, this.step)
    let chosen = oldest
    if (control[Control.NextGivenStep] === this.step) {
      const choice = control[Control.Given + 2 * (control[Control.NextGiven] as number) + 1] as number
      if ((choice & Choice.Wake) !== 0) {
        takeGiven(control)
        chosen = choice & Choice.Thread
      }
    } else if (control[Control.Mode] === SchedulerMode.Random && draw(control, 2) === 0) {
      chosen = 31 - Math.clz32(sleepers & -sleepers)
    }
    if (chosen !== oldest) this.#take(this.step, chosen | Choice.Wake)
    return chosen
  }

  #log(decision: number, mask: number, step = this.control[Control.Step] as number): void {
    const { control } = this
    const length = control[Control.LogLength] as number
    if (length === LOG_MAX) this.fail('livelock', `more than ${LOG_MAX} decisions`)
    const at = Control.Log + 3 * length
    control[at] = step
    control[at + 1] = decision
    control[at + 2] = mask
    control[Control.LogLength] = length + 1
  }

  #take(step: number, choice: number): void {
    const { control } = this
    const length = control[Control.TakenLength] as number
    if (length === TAKEN_MAX) this.fail('livelock', `more than ${TAKEN_MAX} switches`)
    control[Control.Taken + 2 * length] = step
    control[Control.Taken + 2 * length + 1] = choice
    control[Control.TakenLength] = length + 1
  }
}
