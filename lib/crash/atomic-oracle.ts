/**
 * Before or after, nothing in between: what recovery finds must be what it would find at the beginning or at the end of
 * the operation that was running; between operations, what it would find without a crash.
 *
 * The states to compare with are those of the run itself: every store so far on media, at each beginning and end.
 */
import type { Complaint, Expectation, Judge, Recovered } from './judge.js'
import type { ChangedLine } from './changed-line.js'
import { stateKey } from './state-key.js'
import { OpKind, type StoreLog } from './store-log.js'
import { type BaseImage, type Domain, Timeline } from './timeline.js'

export class AtomicOracle implements Judge {
  readonly wasRead?: (line: ChangedLine) => boolean
  readonly forgetReads?: () => void
  readonly #judge: Judge
  /** Keys by number of operations completed; undefined: unknown, and then nothing is compared. */
  readonly #expected: readonly (string | undefined)[]

  constructor(judge: Judge, expected: readonly (string | undefined)[]) {
    this.#judge = judge
    this.#expected = expected
    if (judge.wasRead !== undefined) this.wasRead = judge.wasRead.bind(judge)
    if (judge.forgetReads !== undefined) this.forgetReads = judge.forgetReads.bind(judge)
  }

  put(line: ChangedLine, variant: number): void {
    this.#judge.put(line, variant)
  }

  recover(): Recovered | Promise<Recovered> {
    return this.#judge.recover()
  }

  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined> {
    const complaint = this.#judge.check(state, expectation)
    if (complaint instanceof Promise) return complaint.then((found) => found ?? this.#compare(state, expectation))
    return complaint ?? this.#compare(state, expectation)
  }

  #compare(state: unknown, { operation, completed }: Expectation): Complaint | undefined {
    const before = this.#expected[completed]
    const after = operation === undefined ? before : this.#expected[completed + 1]
    if (before === undefined || after === undefined) return undefined
    const key = stateKey(state)
    if (key === before || key === after) return undefined
    const message =
      operation === undefined
        ? 'the state is not that of the operations that have ended'
        : `the state is neither that before '${operation}' nor that after it`
    return { oracle: 'atomic', message }
  }
}

/** Does the program say where operations begin and end? */
export function hasOperations(log: StoreLog): boolean {
  for (let op = 0; op < log.count; op++) if (log.kind(op) === OpKind.Begin) return true
  return false
}

/**
 * Context: the image is the base, before and after.
 * Return: the key of what recovery finds after so many operations, by their number.
 */
export async function statesOfOperations(
  log: StoreLog,
  base: BaseImage,
  domain: Domain,
  judge: Judge,
): Promise<(string | undefined)[]> {
  const keys: (string | undefined)[] = []
  const timeline = new Timeline(log, base, domain)
  for (let moment = timeline.next(); moment !== undefined; moment = timeline.next()) {
    const kind = moment.op < log.count ? log.kind(moment.op) : undefined
    if (kind !== OpKind.Begin && kind !== OpKind.End) continue
    const completed = moment.completed + (kind === OpKind.End ? 1 : 0)
    if (keys[completed] !== undefined) continue
    for (const line of timeline.lines) judge.put(line, line.choices.at(-1)?.variant ?? line.floor)
    const recovered = await judge.recover()
    keys[completed] = recovered.ok ? stateKey(recovered.state) : undefined
  }
  for (const line of timeline.lines) judge.put(line, 0)
  // An operation that stored nothing left everything as it was.
  for (let i = 1; i < keys.length; i++) keys[i] ??= keys[i - 1]
  return keys
}
