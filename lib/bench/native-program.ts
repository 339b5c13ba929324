/** The yardsticks in C and C++ (native/bench): they are built with the addon, and lie beside it. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runProgram } from './run-program.js'

/**
 * Run one that prints a line of JSON. Context: it inherits the CPUs of this process.
 * Errors: Error when it was not built, which says how; when it fails.
 */
export async function runNative(name: string, args: Readonly<Record<string, string | number>>): Promise<unknown> {
  const program = fileURLToPath(new URL(`../../../build/Release/${name}`, import.meta.url))
  if (!existsSync(program)) {
    throw new Error(
      `${program} is missing: build it with \`npm rebuild faultline\` (in a checkout: npm run build:native)`,
    )
  }
  const words = Object.entries(args).flatMap(([option, value]) => [`--${option}`, String(value)])
  return runProgram(program, words, undefined)
}
