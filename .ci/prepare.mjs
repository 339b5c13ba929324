// npm's prepare script: compiles the TypeScript of a checkout, unless that is done. npx in a checkout runs it too,
// perhaps for a user who may not write there.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { upToDate } from '../native/up-to-date.mjs'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

// The last bundle that the build makes.
if (!upToDate(at('dist/lib/fault/watchdog-thread.cjs'), ['lib', 'test', 'package.json', 'tsconfig.json'].map(at))) {
  const { status } = spawnSync('npm', ['run', 'build'], { stdio: 'inherit', shell: true })
  process.exitCode = status ?? 1
}
