// npm's install script: compiles the addon unless the package brings one for this machine. Plain JavaScript, because in
// a checkout it runs before anything is compiled. The order is that of lib/binding/locate.ts.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
const prebuilt = fileURLToPath(new URL(`../prebuilds/${process.platform}-${process.arch}/faultline.${libc}.node`, import.meta.url))

if (!existsSync(prebuilt)) {
  const { status } = spawnSync('node-gyp', ['rebuild'], { stdio: 'inherit', shell: true })
  process.exitCode = status ?? 1
}
