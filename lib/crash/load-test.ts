/** Crash tests from modules. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { CrashTest } from './crash-test.js'

export class ModuleError extends Error {
  override readonly name = 'ModuleError'
}

const NEEDED = { test: 'workload', checker: 'check' } as const

/**
 * path: of a module that exports `workload`, `recover`, `check`…, or a default export that has them; name: of one of
 * its exports that has them. Errors: ModuleError; what importing it throws.
 */
export async function loadCrashTest(
  path: string,
  name: string | undefined,
  kind: keyof typeof NEEDED,
): Promise<CrashTest<never>> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>
  const has = (value: unknown): value is CrashTest<never> =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Record<string, unknown>)[NEEDED[kind]] === 'function'
  const found = name === undefined ? [module, module['default']].find(has) : module[name]
  if (has(found)) return { name: name ?? path, ...found }
  const names = Object.keys(module).filter((key) => has(module[key]))
  const where = name === undefined ? path : `export ${name} of ${path}`
  const hint = names.length === 0 ? '' : `; name one of its exports: ${names.join(', ')}`
  throw new ModuleError(`${where} has no function ${NEEDED[kind]}${hint}`)
}
