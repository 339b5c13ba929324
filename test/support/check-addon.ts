/** Run by `npm test` before mocha: says in one line what to do when the addon is missing or older than its sources. */
import { existsSync, readdirSync, statSync } from 'node:fs'

const addon = process.env['FAULTLINE_ADDON'] ?? 'build/Release/faultline.node'

if (!existsSync(addon)) {
  console.error(`${addon} is missing: build it with \`npm run build:native\` (needs python3, make and g++)`)
  process.exitCode = 1
} else {
  const built = statSync(addon).mtimeMs
  const newer = readdirSync('native').find((name) => statSync(`native/${name}`).mtimeMs > built)
  if (newer !== undefined)
    console.error(`native/${newer} is newer than ${addon}: rebuild with \`npm run build:native\``)
}
