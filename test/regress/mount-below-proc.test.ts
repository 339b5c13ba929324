/**
 * mount('/proc/pool') never returned: Node's recursive mkdir tries for ever where every mkdir is ENOENT. Found by the
 * fuzzer of the API; a directory that cannot be made is the host's error.
 */
import { spawnSync } from 'node:child_process'
import { expect } from 'chai'

const INDEX = new URL('../../lib/index.js', import.meta.url).href

describe('a pool below /proc', () => {
  it('is ENOENT, and no hang', () => {
    const script = `import(${JSON.stringify(INDEX)}).then(({ mount }) => mount('/proc/faultline/pool'))
      .catch((error) => console.log(error.code, error.syscall))`
    const { stdout, error } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 15_000 })
    expect(error).to.equal(undefined)
    expect(stdout.trim()).to.equal('ENOENT mount')
  })
})
