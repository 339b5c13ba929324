/** Assertions detect our own bugs; errors.ts describes the world. Assertions stay on in production. */

/** A bug in faultline itself: a broken invariant, with the state that broke it. */
export class BugError extends Error {
  override readonly name = 'BugError'
  readonly code = 'ERR_FAULTLINE_BUG'

  constructor(
    message: string,
    readonly dump?: unknown,
  ) {
    super(dump === undefined ? `faultline bug: ${message}` : `faultline bug: ${message}\n${render(dump)}`)
  }
}

/** Throws BugError when `condition` is false. `dump` may be a function, called only on failure. */
export function assert(condition: boolean, message: string, dump?: unknown): asserts condition {
  if (!condition) throw new BugError(message, typeof dump === 'function' ? (dump as () => unknown)() : dump)
}

function render(dump: unknown): string {
  return typeof dump === 'string' ? dump : JSON.stringify(dump, null, 2)
}
