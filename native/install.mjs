// npm's install script: compiles the addon unless the package brings one for this machine, and the code of the fault
// worker for this version of Node, unless that is done: npx in a checkout installs the checkout too, perhaps for a user
// who may not write there. Plain JavaScript, because in a checkout it runs before anything is compiled. The order is that
// of lib/binding/locate.ts.
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { upToDate } from './up-to-date.mjs'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
const prebuilt = at(`prebuilds/${process.platform}-${process.arch}/faultline.${libc}.node`)
// node-gyp removes it with all of build/Release before it begins.
const complete = at('build/Release/.complete')

if (!existsSync(prebuilt) && !upToDate(complete, ['native', 'binding.gyp'].map(at))) {
  const { status } = spawnSync('node-gyp', ['rebuild'], { stdio: 'inherit', shell: true })
  if (status === 0) writeFileSync(complete, '')
  process.exitCode = status ?? 1
}

const compile = at('dist/lib/fault/compile-bundle.js')
const bundle = at('dist/lib/fault/fault-worker.cjs')
if (existsSync(compile) && !upToDate(at('dist/lib/fault/fault-worker.cache'), [bundle])) {
  spawnSync(process.execPath, [compile], { stdio: 'inherit' })
}
