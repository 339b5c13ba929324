/** faultline trace: run a script and print what the emulated kernel does for it. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { ExitStatus, requireMachine, signalStatus } from '../failure.js'

export interface TraceOptions {
  output?: string
}

/**
 * Run `node script args` with the events of all its mounts written to stderr, or to a file, as they happen.
 * Return: the script's own status. Errors: CommandError; of the host.
 */
export function traceCommand(script: string, args: readonly string[], options: TraceOptions): Promise<number> {
  requireMachine()
  const file = options.output === undefined ? undefined : openSync(options.output, 'w')
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', file ?? 'inherit'],
    env: { ...process.env, FAULTLINE_TRACE: file === undefined ? '2' : '3' },
  })
  // The terminal sends it to both; the child decides what it means.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGINT', ignore)
      if (file !== undefined) closeSync(file)
      resolve(signal === null ? (code ?? ExitStatus.Failed) : signalStatus(signal))
    })
  })
}
