/** A measurement is made in a process of its own: this starts it and reads what it says. */
import { spawn } from 'node:child_process'
import { addon } from '../binding/load.js'

const TIMEOUT_MS = 120_000

/**
 * cpu: every thread of the program is pinned to it, V8's helpers too: the child inherits the affinity its parent has
 * while it starts it. undefined: none.
 * Return: what it printed, parsed as JSON. Errors: Error when it fails or takes two minutes.
 */
export function runProgram(program: string, args: readonly string[], cpu: number | undefined): Promise<unknown> {
  const before = addon.getAffinity(0)
  if (cpu !== undefined) addon.setAffinity([cpu], 0)
  let child
  try {
    // The child is forked before spawn returns.
    child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: TIMEOUT_MS })
  } finally {
    if (cpu !== undefined) addon.setAffinity(before, 0)
  }
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(output))
      else reject(new Error(`${program} ended with ${signal ?? `status ${String(code)}`}: ${args.join(' ')}`))
    })
  })
}

/**
 * Call `measure` for each of `count` sides, `rounds` times over, side after side within a round and the other way round
 * in the next: a machine drifts (clock, temperature, neighbours), and what the sides differ in is then the sides.
 * Return: results by side, each with its rounds in order.
 */
export async function byTurns<Result>(
  count: number,
  rounds: number,
  measure: (side: number, round: number) => Promise<Result>,
): Promise<Result[][]> {
  const results: Result[][] = Array.from({ length: count }, () => [])
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < count; turn++) {
      const side = round % 2 === 0 ? turn : count - 1 - turn
      results[side]?.push(await measure(side, round))
    }
  }
  return results
}
