/**
 * The words that the threads of an execution and the controller share: who runs, what was planned, what was done.
 *
 * Only the thread whose turn it is writes them, and the controller while nobody runs; handing the turn over is an
 * atomic store and a notify on the gate of the next thread, which orders everything before it. So all but gates and
 * Done are plain.
 */
export const THREADS_MAX = 4
export const GIVEN_MAX = 1 << 15
export const TAKEN_MAX = 1 << 16
export const LOG_MAX = 1 << 15
export const FAILURE_BYTES_MAX = 1 << 16

export const enum Control {
  /** Steps made: the number of the next one. */
  Step = 0,
  /** SchedulerMode of this execution. */
  Mode = 1,
  /** All clocks of an execution are above the clocks of the ones before (race-detector.ts). */
  ClockBase = 2,
  /** The set of words that threads compete for has grown in this execution. */
  Grew = 3,
  Aborting = 4,
  /** Wait word of the controller: 1 when the execution is over. */
  Done = 5,
  Failed = 6,
  /** Wait word of the controller: threads that left an aborted execution. */
  Unwound = 7,
  Preemptions = 8,
  /** Preemptions up to which alternatives are logged. */
  Bound = 9,
  StepsMax = 10,
  LogLength = 11,
  TakenLength = 12,
  GivenLength = 13,
  NextGiven = 14,
  /** Step of the next given choice, -1 when there is none. */
  NextGivenStep = 15,
  Yields = 16,
  /** State of the random number generator, and how often it switches: once in so many steps. */
  Random = 17,
  Rarity = 18,
  Stop = 19,
  FailureLength = 20,
  Threads = 21,
  /** Sleeps so far: who slept first is woken first. */
  Sleeps = 22,
  /** Priority that the next change point gives (PCT). */
  NextPriority = 23,

  // One word a thread.
  Gate = 32,
  State = 36,
  Started = 40,
  WaitWord = 44,
  Expected = 48,
  SleptAt = 52,
  Result = 56,
  Priority = 60,

  /** 1: the thread has begun its part of this execution. */
  Begun = 64,
  /** The thread before it that does the same, + 1; 0: none. It begins after that one. */
  After = 68,

  // Pairs (step, Choice bits): what the scheduler asked for, and every switch that was made.
  Given = 72,
  Taken = 65608,
  // Triples (step, Decision bits, thread mask): where something else could have been chosen.
  Log = 196680,
  Size = 294984,
}

export const enum ThreadState {
  Ready = 0,
  Blocked = 1,
  Finished = 2,
}

/** A choice: the thread in the low bits. */
export const enum Choice {
  Thread = 7,
  /** Which sleeper a notify wakes, not who runs next. */
  Wake = 8,
}

/** A decision in the log: the default choice in the low bits (Choice), and more. */
export const enum Decision {
  Default = 15,
  /** Choosing another thread is a preemption. */
  Preemptive = 16,
}

/** Per-word flags: who touched it, and what is known of it. */
export const enum WordFlag {
  Readers = 0x0f,
  Writers = 0xf0,
  WriterShift = 4,
  /** Touching it is no step: see machine.ts. */
  Ignored = 1 << 16,
  /** State of a port double: plain accesses belong to the step before them. */
  Silent = 1 << 17,
  /** Waiting on it is a long sleep: no entry lock may be held (D4). */
  Sleep = 1 << 18,
  /** Plain accesses compete on purpose: they are steps too. */
  Racy = 1 << 19,
  /** More than one thread touches it, and one of them writes: a thread may be preempted before it. */
  Hot = 1 << 30,
}

/** What the threads and the controller share. */
export interface Channel {
  readonly control: SharedArrayBuffer
  readonly flags: SharedArrayBuffer
  readonly clocks: SharedArrayBuffer
  readonly owners: SharedArrayBuffer
  readonly failure: SharedArrayBuffer
}
