// The threads of a mount, each with all it imports as one file: lib/fault/thread-file.ts says why. A part of the build.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

const at = (name) => fileURLToPath(new URL(`../dist/lib/fault/${name}`, import.meta.url))
const URL_OF_FILE = "require('node:url').pathToFileURL(__filename).href"

/** What the bundle knows as import.meta.url is the place of the bundle. */
function bundle(from, to, banner, footer) {
  return build({
    entryPoints: [at(from)],
    outfile: at(to),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'warning',
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: banner },
    footer: { js: footer },
  })
}

// A function of its own, which lib/fault/bundled-thread.ts calls: so its compiled code can be kept.
await bundle(
  'fault-worker.js',
  'fault-worker.cjs',
  `(function (require, __filename) { 'use strict'; const bundleUrl = ${URL_OF_FILE}`,
  '})',
)
await bundle('bundled-thread.js', 'fault-thread.cjs', `const bundleUrl = ${URL_OF_FILE}`, '')
// The last: .ci/prepare.mjs looks at it.
await bundle('watchdog-thread.js', 'watchdog-thread.cjs', `const bundleUrl = ${URL_OF_FILE}`, '')
