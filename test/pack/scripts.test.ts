/** npm's scripts make what is missing or older than its sources, and touch nothing else. */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../support/sources.js'
import { temporaryDirectory } from '../support/temp.js'

const INSTALL = 'native/install.mjs'
const PREPARE = '.ci/prepare.mjs'
const SOURCES = ['native/addon.cc', 'binding.gyp', 'lib/index.ts', 'test/tidy.test.ts', 'package.json', 'tsconfig.json']
const MADE = ['build/Release/.complete', 'dist/lib/fault/watchdog-thread.cjs']

describe("npm's scripts in a checkout", () => {
  let root: string

  /** A small checkout; node-gyp and npm are programs that only say that they were called. */
  beforeEach(() => {
    root = temporaryDirectory()
    for (const path of [INSTALL, 'native/up-to-date.mjs', PREPARE]) cpSync(join(projectRoot, path), join(root, path))
    for (const path of SOURCES) write(path, '')
    for (const name of ['node-gyp', 'npm']) {
      write(`bin/${name}`, `#!/bin/sh\necho "$*" >> ${root}/called-${name}\nmkdir -p ${root}/build/Release\n`)
      chmodSync(join(root, 'bin', name), 0o755)
    }
  })

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }

  /** seconds: from now. */
  function date(path: string, seconds: number): void {
    const time = Date.now() / 1000 + seconds
    utimesSync(join(root, path), time, time)
  }

  function run(script: string): { status: number | null; called: string[] } {
    const { status } = spawnSync(process.execPath, [script], {
      cwd: root,
      env: { ...process.env, PATH: `${join(root, 'bin')}:/usr/bin:/bin` },
    })
    const called = ['node-gyp', 'npm'].filter((name) => existsSync(join(root, `called-${name}`)))
    return { status, called: called.map((name) => readFileSync(join(root, `called-${name}`), 'utf8').trim()) }
  }

  it('make what is not there', () => {
    expect(run(INSTALL)).to.deep.equal({ status: 0, called: ['rebuild'] })
    expect(existsSync(join(root, 'build/Release/.complete'))).to.equal(true)
    expect(run(PREPARE)).to.deep.equal({ status: 0, called: ['rebuild', 'run build'] })
  })

  it('do nothing when all is newer than its sources', () => {
    for (const path of MADE) {
      write(path, '')
      date(path, 5)
    }
    for (const script of [INSTALL, PREPARE]) expect(run(script)).to.deep.equal({ status: 0, called: [] })
  })

  for (const source of SOURCES) {
    it(`make it again after a change of ${source}`, () => {
      for (const path of MADE) {
        write(path, '')
        date(path, 5)
      }
      date(source, 10)
      const native = /^native|gyp$/.test(source)
      expect(run(native ? INSTALL : PREPARE).called).to.deep.equal([native ? 'rebuild' : 'run build'])
    })
  }

  it('leave no mark behind a build that failed', () => {
    write('bin/node-gyp', '#!/bin/sh\nexit 3\n')
    expect(run(INSTALL).status).to.equal(3)
    expect(existsSync(join(root, 'build/Release/.complete'))).to.equal(false)
  })

  it('compile nothing when the package brings the addon', () => {
    const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
    write(`prebuilds/${process.platform}-${process.arch}/faultline.${libc}.node`, '')
    expect(run(INSTALL)).to.deep.equal({ status: 0, called: [] })
  })
})
