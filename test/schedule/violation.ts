/** What an execution can break, as data that travels between threads. */
export type ViolationKind =
  | 'deadlock'
  | 'lost wake-up'
  | 'livelock'
  | 'race'
  | 'unlock by a stranger'
  | 'sleep with an entry lock'
  | 'invariant'
  | 'assertion'
  | 'stuck'
  | 'replay'

export interface Violation {
  readonly kind: ViolationKind
  readonly message: string
}

/** Thrown through kernel code to leave an execution that is over; the violation was noted before. */
export class Unwind extends Error {
  override readonly name = 'Unwind'
}

/** Thrown by the checks of a harness: what must hold at the end, or in between, does not. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function requireInvariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
