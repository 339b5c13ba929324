/**
 * `npm run test:fuzz`: random calls at every public function, from several threads.
 * CALLS: default 100000; THREADS: Workers besides the main thread, default 3; SEED: default random, printed.
 */
import { randomInt } from 'node:crypto'
import Table from 'cli-table3'
import { makeProgress } from '../../lib/cli/progress.js'
import { fuzzApi, replayHint } from './campaign.js'

const calls = Number(process.env['CALLS'] ?? 100_000)
const threads = Number(process.env['THREADS'] ?? 3)
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 30))
if (![calls, threads, seed].every((number) => Number.isSafeInteger(number) && number >= 0)) {
  console.error('CALLS, THREADS and SEED are natural numbers')
  process.exit(2)
}
console.log(`${calls} calls by ${threads + 1} threads, SEED=${seed}`)
const started = performance.now()
const progress = makeProgress('calls')
progress.start(calls)
const options = { seed, calls, threads, onProgress: (done: number) => progress.update(Math.min(done, calls)) }
const campaign = await fuzzApi(options)
progress.stop()
const table = new Table({ head: ['what came of them', 'calls'] })
for (const [outcome, count] of Object.entries(campaign.outcomes).sort(([, a], [, b]) => b - a))
  table.push([outcome, count])
console.log(table.toString())
for (const complaint of campaign.complaints) console.error(`${complaint}\n`)
if (campaign.complaints.length > 0) console.error(replayHint(options))
const seconds = ((performance.now() - started) / 1000).toFixed(0)
const verdict =
  campaign.complaints.length === 0
    ? 'nothing undocumented, nothing left behind'
    : `${campaign.complaints.length} complaints`
console.log(`${campaign.calls} calls in ${campaign.rounds} rounds, ${seconds} s: ${verdict}`)
process.exitCode = campaign.complaints.length === 0 ? 0 : 1
