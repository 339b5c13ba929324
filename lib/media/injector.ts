/**
 * Carrying out the rules of lib/inject-rules.ts: which operation is hit, and by what.
 *
 *   header   mutex, number of rules, how many power failures are being made (nothing is hit meanwhile)
 *   counts   for each kind of operation: made, failed, delayed
 *   rules    16 records
 *
 *   owner    all of it is guarded by the mutex, a leaf lock. Counts are read without it.
 *   chance   of a rule with a seed, the number of the operation alone decides: the same numbers are hit in every run,
 *            and which thread makes which operation is the machine's
 *
 * An operation that is hit by several rules takes the error of the first and the delays of all.
 */
import { INJECT_OPERATIONS, INJECT_RULES_MAX, type InjectOperation, type ResolvedRule } from '../inject-rules.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Pause } from '../sync/pause.js'
import type { SharedWords } from '../sync/shared-words.js'

const enum HeaderWord {
  Mutex = 0,
  Rules = 1,
  Quiet = 2,
  Counts = 4,
}

const enum CountWord {
  Made = 0,
  Failed = 1,
  Delayed = 2,
  Size = 3,
}

const enum RuleWord {
  Operation = 0,
  Errno = 1,
  Delay = 2,
  Flags = 3,
  Nth = 4,
  Limit = 5,
  /** Of 2^30. */
  Chance = 6,
  Seed = 7,
  /** A hash and the length of the name; 0: any file. */
  FileHash = 8,
  FileLength = 9,
  Seen = 10,
  Hits = 11,
  Size = 12,
}

const enum RuleFlag {
  Torn = 1,
  Kill = 2,
}

const CHANCE_ONE = 2 ** 30
const COUNTS_WORDS = INJECT_OPERATIONS.length * CountWord.Size
const RULES_AT = HeaderWord.Counts + COUNTS_WORDS

/** Kinds of operations by the numbers they have in the words: INJECT_OPERATIONS in its order. */
export const enum Injectable {
  MediaRead = 0,
  MediaWrite = 1,
  Allocate = 2,
  Sync = 3,
  Resize = 4,
  Punch = 5,
  Move = 6,
  Note = 7,
}

/** What has been made of one kind of operation. */
export interface InjectCount {
  /** Operations, those that failed included. */
  readonly made: number
  /** Those that an injected error hit. */
  readonly failed: number
  readonly delayed: number
}

export type InjectCounts = Readonly<Record<InjectOperation, InjectCount>>

/** What is to become of an operation. Made once a thread, and used again. */
export class Verdict {
  /** 0 or -errno. */
  error = 0
  torn = false
  kill = false
  /** Of the lines of a torn write. */
  seed = 0
}

export class Injector {
  static readonly WORDS = RULES_AT + INJECT_RULES_MAX * RuleWord.Size
  readonly #verdict = new Verdict()
  readonly #pause = new Pause()

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    /** The name that an inode has now. */
    private readonly nameOf: (inode: number) => string,
  ) {}

  /** These rules from now on, in all threads, and none of those before; all counts begin at 0 again. */
  setRules(rules: readonly ResolvedRule[]): void {
    const { words, base } = this
    mutexLock(words, base + HeaderWord.Mutex)
    for (let i = 0; i < COUNTS_WORDS; i++) words.store(base + HeaderWord.Counts + i, 0)
    rules.forEach((rule, i) => this.#writeRule(base + RULES_AT + i * RuleWord.Size, rule))
    words.set(base + HeaderWord.Rules, rules.length)
    mutexUnlock(words, base + HeaderWord.Mutex)
  }

  /** Counts since the mount, or since the rules were changed. Context: any; they may go on changing. */
  counts(): InjectCounts {
    const entries = INJECT_OPERATIONS.map((name, operation): [InjectOperation, InjectCount] => {
      const at = this.#countAt(operation)
      const [made, failed, delayed] = [CountWord.Made, CountWord.Failed, CountWord.Delayed].map(
        (word) => this.words.load(at + word) >>> 0,
      ) as [number, number, number]
      return [name, { made, failed, delayed }]
    })
    return Object.fromEntries(entries) as Record<InjectOperation, InjectCount>
  }

  /**
   * An operation is about to be made. Takes the time of the delays.
   * Context: whatever the operation's is; takes the mutex. Return: what is to become of it, until the next call.
   */
  decide(operation: Injectable, inode: number): Verdict {
    const verdict = this.#verdict
    verdict.error = 0
    verdict.torn = verdict.kill = false
    const delay = this.#judge(operation, inode, verdict)
    if (delay > 0) this.#pause.microseconds(delay)
    return verdict
  }

  /** For operations that fail whole, or not at all. Return: 0 or -errno. */
  fail(operation: Injectable, inode: number): number {
    const { error, kill } = this.decide(operation, inode)
    if (kill) endProcess()
    return error
  }

  /** Run `work`, whose operations are nobody's: they are not counted, and none is hit. */
  quietly<Result>(work: () => Result): Result {
    this.words.add(this.base + HeaderWord.Quiet, 1)
    try {
      return work()
    } finally {
      this.words.add(this.base + HeaderWord.Quiet, -1)
    }
  }

  /** Return: microseconds of delay. */
  #judge(operation: Injectable, inode: number, verdict: Verdict): number {
    const { words, base } = this
    if (words.load(base + HeaderWord.Quiet) !== 0) return 0
    mutexLock(words, base + HeaderWord.Mutex)
    const count = this.#countAt(operation)
    words.add(count + CountWord.Made, 1)
    let delay = 0
    for (let i = 0; i < words.get(base + HeaderWord.Rules); i++) {
      const rule = base + RULES_AT + i * RuleWord.Size
      if (words.get(rule + RuleWord.Operation) !== (operation as number) || !this.#isHit(rule, inode)) continue
      delay += words.get(rule + RuleWord.Delay)
      if (verdict.error === 0 && !verdict.kill) this.#condemn(rule, verdict)
    }
    if (verdict.error < 0) words.add(count + CountWord.Failed, 1)
    if (delay > 0) words.add(count + CountWord.Delayed, 1)
    mutexUnlock(words, base + HeaderWord.Mutex)
    return delay
  }

  #condemn(rule: number, verdict: Verdict): void {
    const flags = this.words.get(rule + RuleWord.Flags)
    verdict.error = -this.words.get(rule + RuleWord.Errno)
    verdict.torn = (flags & RuleFlag.Torn) !== 0
    verdict.kill = (flags & RuleFlag.Kill) !== 0
    verdict.seed = hash(this.words.get(rule + RuleWord.Seed), this.words.get(rule + RuleWord.Seen) + 1)
  }

  /** Counts the operation for the rule. */
  #isHit(rule: number, inode: number): boolean {
    const { words } = this
    const length = words.get(rule + RuleWord.FileLength)
    if (length !== 0) {
      const name = this.nameOf(inode)
      if (name.length !== length || hashName(name) !== words.get(rule + RuleWord.FileHash)) return false
    }
    const number = words.get(rule + RuleWord.Seen) + 1
    const hits = words.get(rule + RuleWord.Hits)
    const limit = words.get(rule + RuleWord.Limit)
    words.set(rule + RuleWord.Seen, number)
    if (number < words.get(rule + RuleWord.Nth) || (limit !== 0 && hits >= limit)) return false
    if (hash(words.get(rule + RuleWord.Seed), number) >>> 2 >= words.get(rule + RuleWord.Chance)) return false
    words.set(rule + RuleWord.Hits, hits + 1)
    return true
  }

  #writeRule(at: number, rule: ResolvedRule): void {
    const { words } = this
    words.set(at + RuleWord.Operation, rule.operation)
    words.set(at + RuleWord.Errno, rule.errno)
    words.set(at + RuleWord.Delay, rule.delay)
    words.set(at + RuleWord.Flags, (rule.torn ? RuleFlag.Torn : 0) | (rule.kill ? RuleFlag.Kill : 0))
    words.set(at + RuleWord.Nth, rule.nth)
    words.set(at + RuleWord.Limit, rule.count)
    words.set(at + RuleWord.Chance, Math.round(rule.probability * CHANCE_ONE))
    words.set(at + RuleWord.Seed, rule.seed | 0)
    words.set(at + RuleWord.FileHash, hashName(rule.file))
    words.set(at + RuleWord.FileLength, rule.file.length)
    words.set(at + RuleWord.Seen, 0)
    words.set(at + RuleWord.Hits, 0)
  }

  #countAt(operation: number): number {
    return this.base + HeaderWord.Counts + operation * CountWord.Size
  }
}

/** A power failure: nothing of this process happens any more. */
export function endProcess(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal is there when kill returns, or at most a few instructions later.
  for (;;);
}

/** Return: a word in which every bit of both counts. */
export function hash(seed: number, number: number): number {
  let word = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(number, 0xc2b2ae35)
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b)
  return (word ^ (word >>> 16)) >>> 0
}

function hashName(name: string): number {
  let word = 0x811c9dc5
  for (let i = 0; i < name.length; i++) word = Math.imul(word ^ name.charCodeAt(i), 0x01000193)
  return word | 0
}
