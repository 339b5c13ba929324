/**
 * Mocha's spec reporter, closed by one line for machines: `N passed, N failed`, with `, N skipped` when there are any.
 *
 * The line is written when the process ends, so it is the last one even if something prints after the last test. In CI
 * (env CI) a skipped test counts as failed: a machine without userfaultfd must not look green. A process kept alive
 * by a forgotten worker, timer or descriptor is a failure too, and the report names what kept it alive.
 */
import Mocha from 'mocha'

const { EVENT_TEST_PENDING } = Mocha.Runner.constants
/** Longer than any worker needs to end by itself after the last test; `--reporter-option lingerMs=…` changes it. */
const LINGER_MS = 5000

export default class SummaryReporter extends Mocha.reporters.Spec {
  readonly #skipped: string[] = []
  readonly #lingerMs: number

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    const settings = options?.reporterOptions as { lingerMs?: string } | undefined
    this.#lingerMs = Number(settings?.lingerMs ?? LINGER_MS)
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()))
  }

  override done(failures: number, finish?: (failures: number) => void): void {
    const strict = isCi()
    const skipped = strict ? 0 : this.#skipped.length
    let failed = failures + (strict ? this.#skipped.length : 0)
    if (strict) for (const title of this.#skipped) console.log(`  skipped, which is a failure in CI: ${title}`)

    finish?.(failed)

    // Mocha's own exit listener, registered by finish(), sets the exit code: this one runs after it and corrects it.
    process.on('exit', (code) => {
      if (failed === 0 && code !== 0) failed = 1
      if (failed > 0) process.exitCode = Math.min(failed, 255)
      console.log(summaryLine(this.stats.passes, failed, skipped))
    })
    setTimeout(() => {
      console.error(`the tests are over but the process does not end: ${process.getActiveResourcesInfo().join(', ')}`)
      failed++
      process.exit()
    }, this.#lingerMs).unref()
  }
}

export function summaryLine(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

function isCi(): boolean {
  const ci = process.env['CI']
  return ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0'
}
