/**
 * npm run test:locking: the suites whose outcome must not depend on what keeps faults apart, once for each design but
 * the default, which `npm test` runs. The oracle's 109 scenarios are among them.
 */
import { spawnSync } from 'node:child_process'
import { LOCKING_NAMES } from '../../lib/config.js'

const SUITES = ['fault', 'fs', 'model', 'oracle', 'regress', 'replay', 'unit/dax'].map(
  (name) => `dist/test/${name}/**/*.test.js`,
)

for (const locking of LOCKING_NAMES.filter((name) => name !== 'entry')) {
  console.log(`\nFAULTLINE_LOCKING=${locking}`)
  const { status, signal } = spawnSync('npx', ['mocha', ...SUITES], {
    stdio: 'inherit',
    env: { ...process.env, FAULTLINE_LOCKING: locking },
  })
  if (status !== 0) {
    console.error(`test:locking: ${locking} ended with ${signal ?? `status ${String(status)}`}`)
    process.exit(1)
  }
}
