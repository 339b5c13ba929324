/** npm run test:kill [-- ROUNDS [SEED]]: the long form of kill.test.ts, with progress. */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killRounds } from './kill-rounds.js'

const rounds = Number(process.argv[2] ?? 1000)
const seed = Number(process.argv[3] ?? process.env['SEED'] ?? randomInt(2 ** 31))
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run test:kill [-- ROUNDS [SEED]]')
  process.exit(2)
}

const folder = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-kill-'))
const live = process.stdout.isTTY
try {
  console.log(`${rounds} rounds of mutate, kill -9, reopen, verify; seed ${seed}`)
  const tally = await killRounds(folder, rounds, seed, (now) => {
    const text = `${now.rounds}/${rounds} rounds, ${now.operations} operations, ${now.acknowledgedLines} lines verified`
    if (live) process.stdout.write(`\r${text}`)
    else if (now.rounds % 20 === 0) console.log(text)
  })
  if (live) process.stdout.write('\n')
  console.log(
    `${tally.rounds} rounds survived, ${tally.traced} with a traced pool, ${tally.twoMounts} with two mounts; ` +
      `${tally.killedInFlight} pools killed with stores in flight: ` +
      `0 of ${tally.acknowledgedLines} acknowledged lines lost, 0 bytes on media that were never stored`,
  )
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(`replay with: npm run test:kill -- ${rounds} ${seed}`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
