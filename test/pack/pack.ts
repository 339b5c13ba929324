/** The package as users get it: packed, and installed into an empty project. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../support/sources.js'

export interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

/** What a program does first. */
const PROGRAM = `
import { mount, probe } from 'faultline'
import { survivePowerFailure } from 'faultline/chai'
const write = mount('pool')
new Uint8Array(write.open('a.pm', { create: true, size: 4096 }).mmap().buffer)[7] = 42
write.sync()
write.close()
const read = mount('pool')
const byte = new Uint8Array(read.open('a.pm').mmap().buffer)[7]
read.close()
console.log(JSON.stringify({ byte, rows: probe().length > 0, plugin: typeof survivePowerFailure }))
`

/** Return: what npm would publish. directory: where the tarball goes; undefined: nowhere. */
export function pack(directory?: string): Packed {
  const where = directory === undefined ? ['--dry-run'] : ['--pack-destination', directory]
  const stdout = npm(projectRoot, ['pack', '--json', '--ignore-scripts', ...where])
  return (JSON.parse(stdout) as [Packed])[0]
}

/**
 * Pack, install into an empty project and run a program there. Dependencies come from npm's cache where it has them.
 * prebuilt: put the addon of this checkout into the installed package as a prebuilt one; else it is compiled.
 * Return: what the program and the command line said.
 */
export function installAndRun(prebuilt: boolean): { readonly program: string; readonly version: string } {
  const scratch = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-pack-'))
  try {
    const { filename } = pack(scratch)
    writeFileSync(join(scratch, 'package.json'), '{"name":"empty","private":true,"type":"module"}')
    writeFileSync(join(scratch, 'program.js'), PROGRAM)
    const scripts = prebuilt ? ['--ignore-scripts'] : []
    npm(scratch, ['install', `./${filename}`, '--prefer-offline', '--no-audit', '--no-fund', '--omit=dev', ...scripts])
    if (prebuilt) {
      const folder = join(scratch, 'node_modules/faultline/prebuilds/linux-x64')
      mkdirSync(folder, { recursive: true })
      copyFileSync(join(projectRoot, 'build/Release/faultline.node'), join(folder, 'faultline.glibc.node'))
    }
    const program = run(scratch, process.execPath, ['program.js'])
    const version = run(scratch, join(scratch, 'node_modules/.bin/faultline'), ['--version'])
    return { program: program.trim(), version: version.trim() }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function npm(cwd: string, args: readonly string[]): string {
  return run(cwd, 'npm', [...args, '--loglevel=error'])
}

function run(cwd: string, command: string, args: readonly string[]): string {
  const { FAULTLINE_ADDON: _, ...env } = process.env
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 600_000 })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${status ?? 'a signal'}: ${stderr}${error?.message ?? ''}`)
}
