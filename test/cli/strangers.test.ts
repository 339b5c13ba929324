/** What users without privileges, and users in containers, see: one screen that says what is wrong and what helps. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { expect } from 'chai'
import type { Capability } from '../../lib/index.js'
import { type ReadableCopy, readableCopy, strangerId } from '../support/readable-copy.js'

/** Lines of a screen. */
const SCREEN = 40
const WITHOUT_ANY = ['userfaultfd=EPERM', 'device=EPERM']

interface Stranger {
  /** As root if we are; default: as nobody. */
  readonly root?: boolean
  /** For the program `deny`. */
  readonly denied?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A program that starts another one. */
  readonly through?: readonly string[]
}

describe('strangers', function () {
  this.timeout(120_000)
  let copy: ReadableCopy

  before(() => {
    copy = readableCopy()
  })
  after(() => {
    copy.remove()
  })

  function run(stranger: Stranger, ...args: string[]): SpawnSyncReturns<string> {
    const { root = false, denied = [], env = {}, through = [] } = stranger
    const uid = root ? undefined : strangerId()
    const filter = denied.length === 0 ? [] : [copy.deny, ...denied, '--']
    const [program = '', ...rest] = [...through, ...filter, copy.node, ...args]
    const { FORCE_COLOR: _, ...inherited } = process.env
    return spawnSync(program, rest, {
      ...(uid === undefined ? {} : { uid, gid: uid }),
      encoding: 'utf8',
      cwd: copy.scratch,
      env: { ...inherited, NO_COLOR: '1', TMPDIR: copy.scratch, HOME: copy.scratch, ...env },
      timeout: 60_000,
    })
  }

  function probed(stranger: Stranger): { ok: boolean; capabilities: Capability[] } {
    return JSON.parse(run(stranger, copy.main, 'probe', '--json').stdout) as { ok: boolean; capabilities: Capability[] }
  }

  /** One screen, no stack, and each of these words. */
  function expectScreen(text: string, lines: number, ...words: RegExp[]): void {
    expect(text.trimEnd().split('\n').length, text).to.be.at.most(lines)
    expect(text).not.to.match(/^\s+at /m)
    for (const word of words) expect(text).to.match(word)
  }

  it('probe as nobody: what is there, and for each missing thing why and what mends it', () => {
    const { stdout, status } = run({}, copy.main, 'probe')
    expect(status, stdout).to.equal(0)
    expectScreen(stdout, SCREEN, /userfaultfd +device: \w+, syscall: \w+, user-mode-only: ok/, /can run faultline/)
    const lacking = probed({}).capabilities.filter(({ ok }) => !ok)
    for (const { name, reason, remedy } of lacking) {
      expect(reason, name).to.be.a('string').and.not.to.be.empty
      expect(remedy, name).to.be.a('string').and.not.to.be.empty
    }
  })

  it('npm start as nobody works, and says once what does not', () => {
    const { stdout, stderr, status } = run({}, copy.main, 'demo', '--rounds', '1')
    expect(status, stdout + stderr).to.equal(0)
    expectScreen(stdout, 60, /all \d+ records .* were there afterwards/)
    const kernelMode = probed({}).capabilities.find(({ name }) => name === 'kernel-mode faults')
    expect(stderr.match(/no permission for full userfaultfd/g)?.length ?? 0).to.equal(kernelMode?.ok === true ? 0 : 1)
  })

  for (const who of ['nobody', 'root of the container'] as const) {
    const stranger = { root: who !== 'nobody', denied: WITHOUT_ANY }

    it(`probe in a container without userfaultfd, ${who}: the reason and the ways out`, () => {
      const { stdout, status } = run(stranger, copy.main, 'probe')
      expect(status).to.equal(1)
      expectScreen(
        stdout,
        SCREEN,
        /missing and needed:\n {2}userfaultfd: device: E\w+, syscall: EPERM, user-mode-only: EPERM\n/,
        /why: .*seccomp filter, as containers have/,
        /mend: docker run --device \/dev\/userfaultfd/,
        /or: docker run --security-opt seccomp=/,
        /or: run on the host/,
        /cannot run faultline/,
      )
      expect(probed(stranger).ok).to.equal(false)
    })

    it(`npm start in a container without userfaultfd, ${who}: the same, with status 1`, () => {
      const { stdout, stderr, status } = run(stranger, copy.main, 'demo')
      expect([status, stdout]).to.deep.equal([1, ''])
      expectScreen(stderr, 10, /^faultline: this machine cannot run/, /why: .*seccomp/, /mend: .*--device/, /or: /)
    })
  }

  /** Return: code and message of what mount throws. */
  function mountFailure(stranger: Stranger): { code: string; message: string; syscall: string } {
    const script = `import(process.argv[1]).then(({ mount }) => {
      try { mount(process.argv[2]).close(); console.log('{}') }
      catch ({ code, message, syscall }) { console.log(JSON.stringify({ code, message, syscall })) } })`
    const { stdout, stderr } = run(stranger, '-e', script, copy.index, `${copy.scratch}/pool-${Math.random()}`)
    expect(stdout, stderr).to.match(/^{/)
    return JSON.parse(stdout) as { code: string; message: string; syscall: string }
  }

  it('mount in a container without userfaultfd is refused with the reason and three ways out', () => {
    const { code, message, syscall } = mountFailure({ root: true, denied: WITHOUT_ANY })
    expect({ code, syscall }).to.deep.equal({ code: 'EPERM', syscall: 'mount' })
    expect(message).to.match(/^EPERM: a seccomp filter.* refuses userfaultfd.*; mend: docker.*; or: docker.*; or: run/)
    expect(message).not.to.contain('\n')
  })

  it('mount where the filter says ENOSYS is refused for the filter, not for the kernel', () => {
    const denied = ['userfaultfd=ENOSYS', 'device=ENOSYS']
    expect(mountFailure({ root: true, denied })).to.include({ code: 'ENOSYS' })
    expect(mountFailure({ root: true, denied }).message).to.match(/seccomp filter.*; mend: docker/)
  })

  it('mount without openat2 or memfd_create, as under old profiles, is an error with a code', () => {
    expect(mountFailure({ root: true, denied: ['openat2=EPERM'] })).to.include({ code: 'EPERM', syscall: 'mount' })
    const { ok, capabilities } = probed({ root: true, denied: ['openat2=ENOSYS', 'memfd_create=EPERM'] })
    expect(ok).to.equal(false)
    const lacking = capabilities.filter((row) => row.needed && !row.ok).map(({ name }) => name)
    expect(lacking).to.have.members(['memfd', 'openat2'])
  })

  it('mount and probe without /proc say that it is missing', () => {
    const through = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" "$@"']
    if (run({ root: true, through }, '-e', '0').status !== 0) return // Not root.
    const { code, message } = mountFailure({ root: true, through })
    expect(code).to.equal('ENOTSUP')
    expect(message).to.match(/\/proc is not mounted.*; mend: mount -t proc/)
    for (const command of ['probe', 'demo']) {
      const { stdout, stderr, status } = run({ root: true, through }, copy.main, command)
      expect(status, command).to.equal(1)
      expectScreen(stdout + stderr, SCREEN, /\/proc: not mounted\n +why: .*\n +mend: mount -t proc/)
    }
  })

  it('npm start without a place for temporary files says what mends it', () => {
    const { stderr, status } = run({ env: { TMPDIR: `${copy.scratch}/nowhere` } }, copy.main, 'demo')
    expect(status).to.equal(1)
    expectScreen(stderr, 2, /^faultline: ENOENT.*mkdtemp.*\n +mend: .*TMPDIR=/)
  })

  it('mount on a kernel without a feature is refused by the name of the feature and the kernel that has it', () => {
    for (const [feature, since] of [
      ['WP_UNPOPULATED', '6.4'],
      ['POISON', '6.6'],
    ]) {
      const env = { FAULTLINE_WITHOUT: `MOVE,${feature}` }
      const { code, message } = mountFailure({ env })
      expect(code).to.equal('ENOTSUP')
      expect(message).to.contain(`userfaultfd feature ${feature} needs Linux ${since}`)
      const { ok, capabilities } = probed({ env })
      expect(ok).to.equal(false)
      const row = capabilities.find(({ name }) => name === `uffd ${feature}`)
      expect(row).to.include({ ok: false, needed: true, remedy: `use Linux ${since} or later` })
    }
  })

  it('mount on a kernel without features that are not needed works', () => {
    const env = { FAULTLINE_WITHOUT: 'MOVE,WP_ASYNC,EXACT_ADDRESS' }
    expect(mountFailure({ env })).to.deep.equal({})
    expect(probed({ env }).ok).to.equal(true)
  })

  it('a user namespace of its own is no obstacle', () => {
    const through = ['unshare', '--user', '--map-root-user', '--']
    if (run({ root: true, through }, '-e', '0').status !== 0) return // This machine has none.
    const { stdout, status } = run({ root: true, through }, copy.main, 'probe')
    expect(status, stdout).to.equal(0)
    expect(mountFailure({ root: true, through })).to.deep.equal({})
  })
})
