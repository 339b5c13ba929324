/** Where and how figures were taken: without it they mean nothing. */
import { execFileSync } from 'node:child_process'
import { cpus, release } from 'node:os'

export type Environment = Readonly<Record<string, string | number>>

/** more: what the benchmark itself has to say (rounds, seed, pinning). */
export function environmentOf(more: Environment): Environment {
  const processors = cpus()
  return {
    cpu: `${processors.length} x ${processors[0]?.model ?? 'unknown'}`,
    kernel: release(),
    node: process.version,
    commit: commitOf(),
    date: new Date().toISOString(),
    ...more,
  }
}

function commitOf(): string {
  const cwd = new URL('.', import.meta.url)
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' and changes')
  } catch {
    return 'unknown'
  }
}
