/** How the command line ends: statuses, and one line for each error that is the world's. */
import { constants as osConstants } from 'node:os'
import { BugError } from '../assert.js'
import type { Capability } from '../binding/capability.js'
import { missingNeeds, probe } from '../binding/probe.js'

export const enum ExitStatus {
  Ok = 0,
  Failed = 1,
  Usage = 2,
  /** Slower than the baseline allows. */
  Worse = 3,
}

/** An error that needs no stack: the message is for the user. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** Errors: CommandError naming what this machine lacks and what mends it. */
export function requireMachine(): void {
  const lacking = missingNeeds(probe())
  if (lacking.length === 0) return
  throw new CommandError([`this machine cannot run faultline`, ...lacking.flatMap(describeMissing)].join('\n'))
}

/** Name, reason and remedies of a missing thing, a line each. */
export function describeMissing(capability: Capability): string[] {
  const { name, detail, reason, remedy } = capability
  const lines = [`  ${name}: ${detail}`]
  if (reason !== undefined) lines.push(`    why:  ${reason}`)
  remedy?.split('\n').forEach((way, i) => lines.push(`    ${i === 0 ? 'mend' : '  or'}: ${way}`))
  return lines
}

/** Return: what to print for an error that ended a command. A bug of faultline shows its stack, nothing else does. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `faultline: ${String(error)}`
  if (isBug(error)) return `faultline: ${error.stack ?? error.message}\nThis is a bug in faultline: please report it.`
  return `faultline: ${error.message}${hintFor(error)}`
}

function isBug(error: Error): boolean {
  // Wrong arguments were turned down before; these are ours. BugError says so itself.
  return error instanceof BugError || ['TypeError', 'ReferenceError', 'RangeError'].includes(error.name)
}

/** By the message: the writer process of the demo reports its error in words. */
const HINTS: readonly (readonly [message: RegExp, mend: string])[] = [
  [/\bENOSPC\b/, 'make room, or name a larger place: TMPDIR=/large/disk'],
  [/\bmkdtemp\b/, 'name a directory you can write to: TMPDIR=/a/directory'],
  [/\bEMFILE\b/, 'ulimit -n 4096'],
  [/\bspawn\b.*\bEAGAIN\b/, 'allow more processes and threads: ulimit -u, pids.max of the cgroup'],
]

function hintFor(error: Error): string {
  const mend = HINTS.find(([message]) => message.test(error.message))?.[1]
  return mend === undefined ? '' : `\n  mend: ${mend}`
}

/** Return: the status of a process that ends because of this signal, as a shell counts it. */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + osConstants.signals[signal]
}
