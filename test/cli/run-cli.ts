/** Runs the compiled command line as its users do: as a process of its own. */
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { projectRoot } from '../support/sources.js'

export interface CliOptions {
  env?: Readonly<Record<string, string>>
}

export const mainPath = join(projectRoot, 'dist/lib/cli/main.js')

const TIMEOUT_MS = 60_000

export function runCli(args: readonly string[], options: CliOptions = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [mainPath, ...args], { ...spawnOptions(options), encoding: 'utf8' })
}

export function startCli(args: readonly string[], options: CliOptions = {}): ChildProcess {
  return spawn(process.execPath, [mainPath, ...args], { ...spawnOptions(options), stdio: ['ignore', 'pipe', 'pipe'] })
}

function spawnOptions({ env = {} }: CliOptions) {
  // Colours follow CI and FORCE_COLOR; tests read the words.
  const { FORCE_COLOR: _, ...inherited } = process.env
  return { env: { ...inherited, NO_COLOR: '1', ...env }, timeout: TIMEOUT_MS, cwd: projectRoot }
}
