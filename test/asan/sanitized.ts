/**
 * The addon with AddressSanitizer and UndefinedBehaviorSanitizer, compiled in a folder of its own, and the environment
 * to run Node with it.
 *
 * Reports go to files, one a process: a report on the stderr of a child that a test does not read, or of a process that
 * the test expects to die, must not be lost. SIGSEGV, SIGBUS and SIGTRAP are ours, so the sanitizer leaves them alone.
 * Leaks are not looked for: what V8 holds at exit would be all there is to see.
 *
 * The binary has two mistakes of its own, made on request (FAULTLINE_PLANT) when it is loaded: they show that the very
 * code under test is instrumented, and that a report is found.
 */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../support/sources.js'

const FOLDER = join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-asan')
const ADDON = join(FOLDER, 'build/Release/faultline.node')
const HOOK = join(FOLDER, 'ubsan-hook.so')
const REPORTS = join(FOLDER, 'reports')
const FLAGS = '-fsanitize=address,undefined -fno-sanitize=vptr -fno-omit-frame-pointer -g'

const PLANT = `
#include <cstdlib>
#include <cstring>
__attribute__((constructor)) static void planted() {
  const char* what = getenv("FAULTLINE_PLANT");
  volatile int at = 8;
  volatile int sum = 2147483647;
  volatile char* bytes = new char[8];
  if (what != nullptr && strcmp(what, "overflow") == 0) sum = bytes[at];
  if (what != nullptr && strcmp(what, "undefined") == 0) sum = sum + at;
  delete[] bytes;
}
`

/**
 * Libubsan sets the path of reports by a call that is interposed by libasan's: so UBSAN_OPTIONS says where ASan's go,
 * and its own go to stderr. It calls this function at each of them.
 */
const UBSAN_HOOK = `
#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
extern "C" void __ubsan_get_current_report_data(const char**, const char**, const char**, unsigned*, unsigned*, char**);
extern "C" void __ubsan_on_report() {
  const char *kind = "", *what = "", *file = "";
  unsigned line = 0, column = 0;
  char* address = nullptr;
  __ubsan_get_current_report_data(&kind, &what, &file, &line, &column, &address);
  const int fd = open(getenv("FAULTLINE_UBSAN_REPORTS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd == -1) return;
  dprintf(fd, "%s:%u:%u: runtime error: %s\\n", file, line, column, what);
  close(fd);
}
`

/** Compile it, unless that was done after the last change of the sources. Errors: Error when it does not compile. */
export function buildSanitized(): void {
  if (existsSync(ADDON) && newestSource() < statSync(ADDON).mtimeMs) return
  console.error(`building with sanitizers in ${FOLDER}`)
  rmSync(join(FOLDER, 'native'), { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  for (const name of ['native', 'binding.gyp', 'package.json']) {
    cpSync(join(projectRoot, name), join(FOLDER, name), { recursive: true })
  }
  appendFileSync(join(FOLDER, 'native/cpu.cc'), PLANT)
  const modules = join(FOLDER, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(projectRoot, 'node_modules'), modules)
  const env = { ...process.env, CFLAGS: FLAGS, CXXFLAGS: FLAGS, LDFLAGS: '-fsanitize=address,undefined' }
  const gyp = join(projectRoot, 'node_modules/.bin/node-gyp')
  const { status } = spawnSync(gyp, ['rebuild'], { cwd: FOLDER, env, stdio: ['ignore', 'ignore', 'inherit'] })
  const hook = spawnSync('g++', ['-x', 'c++', '-fPIC', '-shared', '-o', HOOK, '-', '-lubsan'], { input: UBSAN_HOOK })
  if (status !== 0 || hook.status !== 0)
    throw new Error('the addon could not be built with sanitizers: g++ with libasan and libubsan?')
}

function newestSource(): number {
  const native = join(projectRoot, 'native')
  const paths = readdirSync(native, { recursive: true, encoding: 'utf8' }).map((name) => join(native, name))
  return Math.max(...[...paths, join(projectRoot, 'binding.gyp')].map((path) => statSync(path).mtimeMs))
}

/** Environment for Node and all its children. Tests that skip fail. */
export function sanitizedEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    CI: 'true',
    FAULTLINE_ADDON: ADDON,
    LD_PRELOAD: [library('libasan.so'), HOOK, library('libubsan.so')].join(' '),
    ASAN_OPTIONS: [
      ...['detect_leaks=0', 'handle_segv=0', 'handle_sigbus=0', 'handle_sigtrap=0', 'allow_user_segv_handler=1'],
      `log_path=${join(REPORTS, 'asan')}`,
    ].join(':'),
    UBSAN_OPTIONS: `print_stacktrace=1:log_path=${join(REPORTS, 'asan')}`,
    FAULTLINE_UBSAN_REPORTS: join(REPORTS, 'ubsan'),
  }
}

function library(name: string): string {
  return spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}

/** Forget the reports there are. Processes of other users write there too. */
export function clearReports(): void {
  rmSync(REPORTS, { recursive: true, force: true })
  mkdirSync(REPORTS, { recursive: true })
  chmodSync(REPORTS, 0o1777)
}

/** Return: the first line of each report since clearReports(). */
export function reports(): string[] {
  return readdirSync(REPORTS).flatMap((name) => {
    const text = readFileSync(join(REPORTS, name), 'utf8')
    return text.match(/^.*(?:ERROR: AddressSanitizer|runtime error:).*$/gm) ?? []
  })
}

/**
 * Make each planted mistake in a child of a child whose output nobody reads.
 * Errors: Error when one of them is not reported, or when there is a report without any.
 */
export function checkPlanted(): void {
  const expected = { '': /^$/, overflow: /AddressSanitizer: heap-buffer-overflow/, undefined: /integer overflow.*$/ }
  for (const [plant, pattern] of Object.entries(expected)) {
    clearReports()
    const load = `process.dlopen({ exports: {} }, ${JSON.stringify(ADDON)})`
    const inChild = `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(load)}])`
    spawnSync(process.execPath, ['-e', inChild], { env: { ...sanitizedEnvironment(), FAULTLINE_PLANT: plant } })
    const found = reports().join('\n')
    if (!pattern.test(found))
      throw new Error(`planted mistake '${plant}': expected ${pattern.source}, found '${found}'`)
  }
  clearReports()
}
