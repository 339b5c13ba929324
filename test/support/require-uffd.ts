/** For suites that take real page faults. */
import { missingNeeds, probe } from '../../lib/binding/probe.js'
import { hasAsyncTracking } from '../../lib/fs/async-tracking.js'

/**
 * Skip the test or suite (`this` of a before hook or a test) when this machine cannot watch memory, and say why.
 * In CI (env CI) that is an error instead: a machine without userfaultfd must not look green.
 */
export function requireUserfaultfd(context: Mocha.Context): void {
  const lacking = missingNeeds(probe())[0]
  if (lacking === undefined) return
  skip(context, `${lacking.name}: ${lacking.reason ?? lacking.detail} (${lacking.remedy ?? 'no remedy known'})`)
}

/** The same for what mount option dirtyTracking: 'async' needs. */
export function requireAsyncTracking(context: Mocha.Context): void {
  if (!hasAsyncTracking()) skip(context, 'userfaultfd without WP_ASYNC, which needs Linux 6.7')
}

function skip(context: Mocha.Context, why: string): never {
  if (process.env['CI']) throw new Error(`userfaultfd is required in CI: ${why}`)
  const test = context.test
  if (test !== undefined) test.title += ` [${why}]`
  context.skip()
}
