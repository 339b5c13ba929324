import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { mount, type Capability } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runCli } from './run-cli.js'

const NO_ADDON = { env: { FAULTLINE_ADDON: '/nonexistent/faultline.node' } }

interface Probed {
  ok: boolean
  capabilities: Capability[]
}

interface Stressed {
  ok: boolean
  seed: number
  operations: number
  workloads: { workload: string; operations: Record<string, number> }[]
}

interface Stated {
  mountedBy: number | null
  size: number
  blocks: number
  extents: { start: number; end: number; state: string; pfn: number | null }[]
  entries: Record<string, number> | null
  tags: { dirty: number; towrite: number } | null
}

/** Says what is wrong in a few lines, without a stack. */
function expectPlainFailure(stderr: string): void {
  expect(stderr).to.match(/^faultline: /)
  expect(stderr).not.to.match(/^\s+at /m)
  expect(stderr.trimEnd().split('\n').length).to.be.at.most(6)
}

describe('cli', () => {
  describe('usage', () => {
    it('without arguments is help', () => {
      const { status, stdout } = runCli([])
      expect(status).to.equal(0)
      expect(stdout)
        .to.match(/^Usage: faultline/)
        .and.to.contain('probe')
        .and.to.contain('demo')
        .and.to.contain('stat')
    })

    it('--help and --version end well', () => {
      for (const args of [['--help'], ['help', 'stat'], ['demo', '--help'], ['--version']]) {
        expect(runCli(args).status, args.join(' ')).to.equal(0)
      }
    })

    const wrong: [string[], RegExp][] = [
      [['prob'], /Did you mean probe/],
      [['probe', '--jsn'], /Did you mean --json/],
      [['stat'], /missing required argument 'file'/],
      [['stat', 'a', 'b'], /too many arguments/],
      [['demo', '--rounds', 'many'], /whole number from 1/],
      [['demo', '--rounds', '0'], /whole number from 1/],
      [['demo', '--seed', '-1'], /whole number from 0/],
      [['stress', '--threads', '1'], /whole number from 2/],
      [['stress', '--files', '99'], /whole number from 1 to 15/],
      [['stress', '--operations', '0'], /whole number from 1/],
      [['stress', '--workload', 'holtest'], /Allowed choices are mixed, fsx, holetest/],
      [['stress', '--flavour', 'ntfs'], /Allowed choices are ext4, xfs/],
      [['stress', 'mixed'], /too many arguments/],
    ]
    for (const [args, message] of wrong) {
      it(`turns down '${args.join(' ')}' with status 2`, () => {
        const { status, stderr } = runCli(args)
        expect(status).to.equal(2)
        expect(stderr).to.match(message)
      })
    }
  })

  describe('probe', () => {
    it('--json gives every capability, and the status tells whether the needed ones are there', () => {
      const { status, stdout } = runCli(['probe', temporaryDirectory(), '--json'])
      const { ok, capabilities } = JSON.parse(stdout) as Probed
      expect(status).to.equal(ok ? 0 : 1)
      expect(ok).to.equal(capabilities.every((capability) => capability.ok || !capability.needed))
      expect(capabilities.map(({ name }) => name)).to.include.members(['userfaultfd', 'SEEK_HOLE'])
    })

    it('for a folder that is not there says what to do', () => {
      const { status, stdout } = runCli(['probe', '/nonexistent/pool'])
      expect(status).to.equal(1)
      expect(stdout).to.match(/pool directory: \/nonexistent\/pool\n\s+why: .*ENOENT.*\n\s+mend: /)
    })

    it('works without the addon, and names the command that builds it', () => {
      const { status, stdout } = runCli(['probe'], NO_ADDON)
      expect(status).to.equal(1)
      expect(stdout).to.contain('mend: npm run build:native')
    })
  })

  describe('stat', () => {
    it('does not make a pool of a directory that is none', () => {
      const folder = temporaryDirectory()
      writeFileSync(join(folder, 'a.pm'), 'x')
      const { status, stderr } = runCli(['stat', join(folder, 'a.pm')])
      expect(status).to.equal(1)
      expectPlainFailure(stderr)
      expect(stderr).to.contain('is not a pool')
      expect(readdirSync(folder)).to.deep.equal(['a.pm'])
    })

    it('names a missing file, and a directory', () => {
      for (const path of ['/nonexistent/pool/a.pm', temporaryDirectory()]) {
        const { status, stderr } = runCli(['stat', path])
        expect(status).to.equal(1)
        expectPlainFailure(stderr)
        expect(stderr).to.contain(path)
      }
    })

    it('shows extents with their page frame numbers, and what another process has mounted from outside', function () {
      requireUserfaultfd(this)
      const pool = temporaryDirectory()
      const path = join(pool, 'a.pm')
      const pmem = mount(pool, { capacity: '16MiB' })
      pmem.open('a.pm', { create: true, size: '1MiB' }).write(Buffer.alloc(4096, 1), 8192)
      pmem.sync()
      const outside = runCli(['stat', path, '--json'])
      const people = runCli(['stat', path])
      pmem.close()

      const mounted = JSON.parse(outside.stdout) as Stated
      expect(mounted).to.include({ mountedBy: process.pid, size: 2 ** 20, entries: null, tags: null })
      expect(people.stdout).to.contain(`by process ${process.pid}`)

      const { stdout, status } = runCli(['stat', path, '--json'])
      expect(status).to.equal(0)
      const { mountedBy, size, extents, entries, tags } = JSON.parse(stdout) as Stated
      expect({ mountedBy, size, entries }).to.deep.equal({ mountedBy: null, size: 2 ** 20, entries: {} })
      expect(tags).to.deep.equal({ dirty: 0, towrite: 0 })
      const written = extents.filter(({ state }) => state === 'written')
      expect(written).to.have.lengthOf(1)
      expect(written[0]).to.include({ start: 8192, end: 12288 })
      expect(written[0]?.pfn).to.be.a('number').above(0)
      const ends = extents.map(({ end }) => end)
      expect(extents.map(({ start }) => start)).to.deep.equal([0, ...ends.slice(0, -1)])
      expect(ends.at(-1)).to.equal(2 ** 20)
      expect(runCli(['stat', path]).stdout).to.match(/written\s+│\s+8192 │\s+12288/)
    })
  })

  describe('stress', () => {
    it('prints what it did, by workload and operation, as a table and as JSON', function () {
      requireUserfaultfd(this)
      const args = ['stress', '--operations', '500', '--workload', 'stale-pmd', 'collision', '--threads', '2']
      const people = runCli(args)
      expect(people.status, people.stderr).to.equal(0)
      expect(people.stdout).to.match(/│ stale-pmd +│ +[\d,]+ │/)
      expect(people.stdout).to.match(/^ok no mismatch: [\d,]+ operations in \d+ s, .* seed 1$/m)
      const { status, stdout } = runCli([...args, '--json', '--seed', '5'])
      expect(status).to.equal(0)
      const { ok, seed, operations, workloads } = JSON.parse(stdout) as Stressed
      expect({ ok, seed, workloads: workloads.map(({ workload }) => workload) }).to.deep.equal({
        ok: true,
        seed: 5,
        workloads: ['stale-pmd', 'collision'],
      })
      const sum = workloads.flatMap((each) => Object.values(each.operations)).reduce((one, other) => one + other, 0)
      expect(operations).to.equal(sum).and.at.least(500)
    })

    it('with a pool that cannot be made fails in one line', function () {
      requireUserfaultfd(this)
      const { status, stderr } = runCli(['stress', '--seconds', '1', '--pool', '/dev/null/pools'])
      expect(status).to.equal(1)
      expectPlainFailure(stderr)
    })
  })

  it('without the addon fails in one line', () => {
    for (const args of [['demo'], ['stat', '/nonexistent/a']]) {
      const { status, stderr } = runCli(args, NO_ADDON)
      expect(status).to.equal(1)
      expectPlainFailure(stderr)
      expect(stderr).to.contain('npm run build:native')
    }
  })
})
