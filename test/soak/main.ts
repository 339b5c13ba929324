/**
 * npm run test:soak -- [minutes] [--seed N] [--svg FILE]: stress with failures injected, 30 minutes by default. Zero
 * mismatches, and memory, descriptors, threads and mappings must be flat after a warm-up of a third.
 */
import { writeFileSync } from 'node:fs'
import cliProgress from 'cli-progress'
import { Command } from 'commander'
import { formatCount, formatTable, print } from '../../lib/cli/format.js'
import { drawSoak } from './chart.js'
import { soak } from './soak.js'
import { WARM_SHARE, judge } from './verdict.js'

const command = new Command()
  .argument('[minutes]', '', '30')
  .option('--seed <number>', '', '1')
  .option('--svg <file>')
  .parse()
const seconds = Number(command.args[0] ?? 30) * 60
const { seed, svg } = command.opts<{ seed: string; svg?: string }>()

const bar = new cliProgress.SingleBar({
  format: '  {bar} {percentage} % {rss} MiB, {descriptors} descriptors, {threads} threads, {mappings} mappings',
  noTTYOutput: true,
  notTTYSchedule: 60_000,
})
bar.start(Math.ceil(seconds), 0, { rss: '-', descriptors: '-', threads: '-', mappings: '-' })
const { result, samples, injected } = await soak(seconds, Number(seed), (sample) => {
  bar.update(Math.min(seconds, sample.seconds), { ...sample, rss: Math.round(sample.rss / 2 ** 20) })
})
bar.stop()

const verdict = judge(samples)
const rows = verdict.map(({ kind, from, to, isFlat }) => {
  return [kind.title, from.toFixed(1), to.toFixed(1), isFlat ? 'flat' : 'GROWS']
})
print(formatTable(['after the warm-up', 'from', 'to', ''], rows))
const facts =
  `${formatCount(result.operations)} operations in ${(result.seconds / 60).toFixed(1)} minutes, ` +
  `${formatCount(injected)} errors injected, the whole state verified ${formatCount(result.checks)} times, seed ${seed}`
const ended = samples.at(-1)?.seconds ?? 0
if (svg !== undefined) writeFileSync(svg, `${await drawSoak(samples, ended * WARM_SHARE, facts)}\n`)
const { failure } = result
print(failure === undefined ? `no mismatch: ${facts}` : `${failure.kind}: ${failure.message}\n${facts}`)
process.exitCode = failure === undefined && verdict.every(({ isFlat }) => isFlat) ? 0 : 1
