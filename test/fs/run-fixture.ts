/** Runs a compiled fixture (a script beside the tests) in a process of its own: for what a process may die of. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface FixtureResult {
  /** Exit code; null when a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Each line of stdout that is JSON. */
  readonly reports: readonly Record<string, unknown>[]
}

/**
 * name: of the file in test/fs, without extension. A process that is still there after the time limit is killed and
 * is an error: that is the hang the caller looks for.
 */
export function runFixture(
  name: string,
  args: readonly string[],
  limitMs = 15_000,
  nodeOptions: string[] = [],
): FixtureResult {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  const result = spawnSync(process.execPath, [...nodeOptions, script, ...args], {
    encoding: 'utf8',
    timeout: limitMs,
    killSignal: 'SIGKILL',
  })
  const { status, signal, stdout, stderr } = result
  if (result.error !== undefined) throw new Error(`${name} ${args.join(' ')} hangs: ${stdout}${stderr}`)
  const reports = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { status, signal, stdout, stderr, reports }
}
