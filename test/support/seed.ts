/**
 * Seeds of random tests: one number a process, so that `SEED=<number> npx mocha …` replays everything.
 *
 * Each title gets its own seed derived from that number, hence a test draws the same values whether it runs alone or
 * among others. Nothing is printed unless a test fails; then its message begins with the SEED to give.
 */
import { randomInt } from 'node:crypto'

const given = process.env['SEED']
const processSeed = given === undefined || given === '' ? randomInt(2 ** 32) : parseSeed(given)
/** Compiled files that asked for a seed, test files and the fixtures they call. */
const users = new Set<string>()

/** Return: the seed of this title in this run, 0 .. 2^31-1 (fast-check takes 32-bit signed seeds). */
export function seedFor(title: string): number {
  for (const [, path] of (new Error().stack ?? '').matchAll(/file:\/\/(.+?\.js)/g)) users.add(decodeURI(path ?? ''))
  let hash = processSeed | 0
  for (const byte of Buffer.from(title)) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) & 0x7fffffff
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`SEED must be a natural number but is '${text}'`)
  return seed
}

// At the top of a module this is a hook of the root suite, whichever test file imported the module first.
afterEach(function () {
  const test = this.currentTest
  if (test?.state !== 'failed' || test.err === undefined || !users.has(test.file ?? '')) return
  const { err } = test
  // In front, because mocha cuts chai's messages at ': expected'. It finds the message inside the stack: both agree.
  const message = `[replay with SEED=${processSeed}] ${err.message}`
  if (err.stack !== undefined) err.stack = err.stack.replace(err.message, () => message)
  err.message = message
})
