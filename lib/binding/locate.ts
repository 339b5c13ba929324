/**
 * Finding the compiled addon, and making sure it is the one these sources were written for.
 *
 * Order, that of node-gyp-build: the path in FAULTLINE_ADDON, build/Release, build/Debug, then
 * prebuilds/<platform>-<arch>/faultline.<libc>.node of the package root; native/install.mjs compiles when there is none
 * of the last. The root is the nearest folder above this file with a binding.gyp: the same from lib/binding (sources)
 * and dist/lib/binding (compiled).
 *
 * Our own rather than node-gyp-build: Node-API leaves one binary a libc to choose from, so its choice among ABI, engine
 * and CPU tags is not needed, and what it does not do, comparing the constants of both sides, is.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Page } from '../constants.js'
import type { Addon } from './addon.js'

const require = createRequire(import.meta.url)

/** The numbers of lib/constants.ts that C++ has too, under C++'s names. */
const SHARED_CONSTANTS: Readonly<Record<string, number>> = {
  PAGE_SIZE: Page.Size,
  LINE_SIZE: Page.LineSize,
  PMD_SIZE: Page.PmdSize,
}

/** Why the addon cannot be used; the message says what to do. */
export class AddonError extends Error {
  override readonly name = 'AddonError'
  readonly code = 'ERR_FAULTLINE_ADDON'
}

/** Where loadAddon looks, in order. */
export function addonPaths(): string[] {
  const override = process.env['FAULTLINE_ADDON']
  if (override !== undefined && override !== '') return [resolve(override)]
  const root = packageRoot()
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
  return [
    ...['Release', 'Debug'].map((kind) => join(root, 'build', kind, 'faultline.node')),
    join(root, 'prebuilds', `${process.platform}-${process.arch}`, `faultline.${libc}.node`),
  ]
}

/** Throws AddonError when the addon is missing, cannot be loaded, or was built from other sources. */
export function loadAddon(): Addon {
  const paths = addonPaths()
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) {
    throw new AddonError(
      `the native addon is missing: build it with \`npm run build:native\` (looked for ${paths.join(', ')})`,
    )
  }
  const addon = requireAddon(path)
  for (const [name, value] of Object.entries(SHARED_CONSTANTS)) {
    const native = addon.constants[name]
    if (native === value) continue
    throw new AddonError(
      `${path} has ${name} = ${String(native)}, the TypeScript ${String(value)}: rebuild with \`npm run build:native\``,
    )
  }
  return addon
}

function requireAddon(path: string): Addon {
  try {
    return require(path) as Addon
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AddonError(`${path} cannot be loaded: ${reason}; rebuild it with \`npm run build:native\``, { cause })
  }
}

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'binding.gyp'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new AddonError(`no binding.gyp above ${import.meta.url}: the package is incomplete`)
    folder = parent
  }
  return folder
}
