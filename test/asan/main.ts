/**
 * `npm run test:asan [-- FILE…]`: the addon with AddressSanitizer and UndefinedBehaviorSanitizer, under the tests that
 * reach it. It is compiled in a folder of its own; the normal build stays as it is.
 *
 * SIGSEGV, SIGBUS and SIGTRAP are ours, so the sanitizer leaves them alone. Leaks are not looked for: what V8 holds at
 * exit would be all there is to see. Tests that start processes pass the sanitizer on to them by the environment.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../support/sources.js'

const FOLDER = join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-asan')
const FLAGS = '-fsanitize=address,undefined -fno-sanitize=vptr -fno-omit-frame-pointer -g'
const FILES = [
  ...['unit/binding/*', 'fault/*', 'fs/misuse', 'fs/vm-*', 'fs/blocks', 'fs/fallocate', 'fs/traced-forms', 'fs/crash'],
  ...['fs/memory-errors', 'fs/names', 'fs/threads', 'fs/verify'],
]

function build(): string {
  mkdirSync(FOLDER, { recursive: true })
  for (const name of ['native', 'binding.gyp', 'package.json']) {
    cpSync(join(projectRoot, name), join(FOLDER, name), { recursive: true })
  }
  const modules = join(FOLDER, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(projectRoot, 'node_modules'), modules)
  const env = { ...process.env, CFLAGS: FLAGS, CXXFLAGS: FLAGS, LDFLAGS: '-fsanitize=address,undefined' }
  console.error(`building with sanitizers in ${FOLDER}`)
  const gyp = join(projectRoot, 'node_modules/.bin/node-gyp')
  const { status } = spawnSync(gyp, ['rebuild'], { cwd: FOLDER, env, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error('the addon could not be built with sanitizers: g++ with libasan and libubsan?')
  return join(FOLDER, 'build/Release/faultline.node')
}

function library(name: string): string {
  return spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}

const addon = build()
const given = process.argv.slice(2)
const files = (given.length > 0 ? given : FILES).map((name) => `dist/test/${name}.test.js`)
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  ['node_modules/mocha/bin/mocha.js', '--timeout', '120000', ...files],
  {
    cwd: projectRoot,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      FAULTLINE_ADDON: addon,
      LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`,
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigtrap=0:allow_user_segv_handler=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
  },
)
const reports = `${stdout}${stderr}`.match(/^.*(?:ERROR: AddressSanitizer|runtime error:).*$/gm) ?? []
process.stdout.write(stdout)
if (status !== 0 || reports.length > 0) process.stderr.write(stderr)
console.log(`${reports.length} reports of the sanitizers`)
process.exitCode = status === 0 && reports.length === 0 ? 0 : 1
