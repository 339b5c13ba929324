/**
 * `npm run test:stores`: a million random stores of all kinds by several threads, each record checked.
 * STORES: how many operations, default 1000000; THREADS: default 4; SEED: default random, printed.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeProgress } from '../../lib/cli/progress.js'
import { runTraced } from './traced-run.js'

const total = Number(process.env['STORES'] ?? 1_000_000)
const threads = Number(process.env['THREADS'] ?? 4)
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 30))
const pool = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-stores-'))
const started = Date.now()
console.log(`${total} operations, ${threads} threads, SEED=${seed}`)
const progress = makeProgress('stores')
progress.start(total)
try {
  const operations = Math.ceil(total / threads)
  const checker = await runTraced({
    pool,
    seed,
    threads,
    operations,
    onProgress: ({ operations: done }) => progress.update(done),
  })
  progress.stop()
  const seconds = (Date.now() - started) / 1000
  const widths = [...checker.widths].sort(([a], [b]) => a - b)
  console.log(`operations: ${[...checker.names].map(([name, count]) => `${name} ${count}`).join(', ')}`)
  console.log(`records by bytes: ${widths.map(([bytes, count]) => `${bytes}: ${count}`).join(', ')}`)
  console.log(
    `${checker.operations} operations, ${checker.stores} records of ${checker.bytes} bytes, none wrong, ` +
      `none out of order, ${seconds.toFixed(1)} s`,
  )
} catch (error) {
  progress.stop()
  console.error(`SEED=${seed} THREADS=${threads} STORES=${total}`)
  throw error
} finally {
  rmSync(pool, { recursive: true, force: true })
}
