/**
 * A copy of the project to break: sources, tests and what they compile to, beside the same node_modules.
 *
 * Builds are tsc's own incremental ones, so that values of const enums are compiled in as in the real build.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { projectRoot } from '../../support/sources.js'
import type { Mutant } from './patches.js'

const COPIED = ['lib', 'test', 'dist', 'build', 'binding.gyp', 'package.json', 'tsconfig.json', '.mocharc.json']
const BUILD_INFO = 'dist/.tsbuildinfo'
/** A few lines of code more or less leave a name unused: no reason to refuse a mutant. */
const UNUSED = new Set(['TS6133', 'TS6138', 'TS6192', 'TS6196', 'TS6198'])

export interface Execution {
  readonly output: string
  /** 0 is success; null when a signal ended it. */
  readonly status: number | null
  /** Ended by us because its time was over. */
  readonly timedOut: boolean
}

export class Scratch {
  readonly root: string
  #changed: readonly string[] = []

  constructor() {
    const base = realpathSync(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir())
    this.root = mkdtempSync(join(base, 'faultline-mutants-'))
    for (const name of COPIED) cpSync(join(projectRoot, name), join(this.root, name), { recursive: true })
    const modules = realpathSync(join(projectRoot, 'node_modules'))
    symlinkSync(modules, join(this.root, 'node_modules'))
    mkdirSync(this.folderOfPools)
    this.#moveBuildInfo()
  }

  /** Where tests of the copy make their pools; a killed test cannot remove them. */
  get folderOfPools(): string {
    return join(this.root, 'pools')
  }

  /** Undo the mutant before, apply this one (none: the project as it is) and build. Errors: what git or tsc said. */
  async become(mutant: Mutant | undefined): Promise<void> {
    for (const file of this.#changed) cpSync(join(projectRoot, file), join(this.root, file))
    this.#changed = mutant?.files ?? []
    if (mutant !== undefined) {
      const applied = await git(this.root, 'apply', '-C1', '--whitespace=nowarn', mutant.path)
      if (applied.status !== 0) throw new Error(`does not apply: ${applied.output.trim()}`)
    }
    await this.#build()
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }

  async #build(): Promise<void> {
    const tsc = join(this.root, 'node_modules/typescript/bin/tsc')
    const { output, status } = await execute(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], this.root, {})
    const errors = output.split('\n').filter((line) => / error (TS\d+):/.test(line))
    const real = errors.filter((line) => !UNUSED.has(/ error (TS\d+):/.exec(line)?.[1] ?? ''))
    if (real.length > 0) throw new Error(`does not compile: ${real.join('\n')}`)
    if (status !== 0 && errors.length === 0) throw new Error(`tsc failed: ${output.trim()}`)
  }

  /**
   * What tsc knows of the last build names packages by relative paths, which lead elsewhere from here. Without this the
   * first build of a copy would be one from scratch.
   */
  #moveBuildInfo(): void {
    const from = join(projectRoot, dirname(BUILD_INFO))
    const to = join(this.root, dirname(BUILD_INFO))
    const text = readFileSync(join(this.root, BUILD_INFO), 'utf8')
    const moved = text.replace(/"((?:\.\.\/)+(?:[^"]*\/)?node_modules\/)/g, (_, path: string) => {
      return `"${relative(to, realpathSync(resolve(from, path)))}/`
    })
    writeFileSync(join(this.root, BUILD_INFO), moved)
  }
}

/** Would the patch apply to the project as it is? Return: what git says against it, or ''. */
export async function checkPatch(mutant: Mutant): Promise<string> {
  const { output, status } = await git(projectRoot, 'apply', '--check', '-C1', mutant.path)
  return status === 0 ? '' : output.trim() || 'git apply --check failed'
}

/** In a folder that is a repository or in none: git must not look for one above, whose files would not be ours. */
function git(folder: string, ...args: string[]): Promise<Execution> {
  return execute('git', args, folder, { GIT_CEILING_DIRECTORIES: dirname(folder) })
}

/** Run a program to its end, or for `limitMs`; then it and its children are killed. env: added to ours. */
export function execute(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  limitMs = 120_000,
): Promise<Execution> {
  return new Promise((done, fail) => {
    // Coverage of copies would be nobody's.
    const { NODE_V8_COVERAGE: _coverage, ...inherited } = process.env
    // A group of its own, so that its children end with it.
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = spawn(file, args, { cwd, env: { ...inherited, ...env }, stdio: [...stdio], detached: true })
    let output = ''
    let timedOut = false
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const kill = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
    const timer = setTimeout(() => {
      timedOut = true
      kill()
    }, limitMs)
    process.once('exit', kill)
    const end = (): void => {
      clearTimeout(timer)
      process.off('exit', kill)
    }
    child.once('error', (error) => {
      end()
      fail(error)
    })
    child.once('close', (status) => {
      end()
      done({ output, status, timedOut })
    })
  })
}
