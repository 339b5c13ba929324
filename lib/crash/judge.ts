/** Who says whether a program survives an image, as the exploration sees it. */
import type { ChangedLine } from './changed-line.js'

/** What the program has promised by the moment of the crash. */
export interface Expectation {
  /** What it has told its user is done. */
  readonly acknowledged: ReadonlySet<string>
  /** The operation in progress; undefined between operations. */
  readonly operation: string | undefined
  /** Operations that have ended. */
  readonly completed: number
}

/** How recovery of one image went. */
export type Recovered =
  | { readonly ok: true; readonly state: unknown; /** Equal states have equal keys. */ readonly key?: string }
  | { readonly ok: false; readonly oracle: Oracle; readonly message: string }

/** Which promise was broken. */
export type Oracle =
  'recovery' | 'time limit' | 'process' | 'invariant' | 'acknowledged' | 'atomic' | 'idempotent' | 'usable'

export interface Complaint {
  readonly oracle: Oracle
  readonly message: string
}

export interface Judge {
  /** It sets the time limits on the user's functions by itself. */
  readonly limitsItself?: boolean
  /** A line of the image becomes this variant. */
  put(line: ChangedLine, variant: number): void
  /** Recover from the image as it is now, and leave it as it was. */
  recover(): Recovered | Promise<Recovered>
  /** Is what recovery found right? Return: what is wrong, or undefined. */
  check(state: unknown, expectation: Expectation): Complaint | undefined | Promise<Complaint | undefined>
  /** Was the line read since the last call of forgetReads? Only when reads are watched. */
  wasRead?(line: ChangedLine): boolean
  forgetReads?(): void
}
