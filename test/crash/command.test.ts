/** faultline crash: programs that behave badly, store logs, shards, journals, pages. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Report } from '../../lib/index.js'
import { runCli } from '../cli/run-cli.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { projectRoot } from '../support/sources.js'
import { temporaryDirectory } from '../support/temp.js'

const FIXTURE = join(projectRoot, 'dist/test/crash/robust.fixture.js')
const RING = join(projectRoot, 'dist/test/crash/workloads/ring-log.js')

interface Ran {
  readonly status: number | null
  readonly report: Report
}

function crash(...args: string[]): Ran {
  const { status, stdout, stderr } = runCli(['crash', ...args, '--json'])
  expect(stdout, stderr).to.match(/^\{/)
  return { status, report: JSON.parse(stdout) as Report }
}

/** An entry of a store log: 8 bytes. */
function stored(address: number, value: number): string {
  return `|STORE;0x${address.toString(16)};0x${value.toString(16)};0x8`
}

describe('faultline crash', function () {
  this.timeout(60_000)

  const workloads: readonly (readonly [name: string, text: RegExp])[] = [
    ['throws', /^threw: out of cheese$/],
    ['exits', /^called process\.exit\(3\)$/],
    ['aborts', /^ended the process \(SIGABRT\)$/],
    ['outside', /^threw: the range of a store must be inside the region of 4096 bytes but received '8 bytes at 4096'$/],
    ['storesNothing', /^stored nothing/],
    ['workloadHangs', /^did not end within 300 ms$/],
  ]
  for (const [name, text] of workloads) {
    it(`says how a workload failed: ${name}`, () => {
      const { status, report } = crash(FIXTURE, '--export', name, '--time-limit', '300')
      expect(status).to.equal(1)
      expect(report.workload).to.match(text)
    })
  }

  const recoveries: readonly (readonly [name: string, oracle: string, message: RegExp])[] = [
    ['recoveryHangs', 'time limit', /did not end within/],
    ['recoveryNeverSettles', 'time limit', /did not end within 300 ms/],
    ['recoveryExits', 'recovery', /called process\.exit\(4\)/],
    ['recoveryAborts', 'process', /ended the process \(SIGABRT\)/],
    ['recoveryIsKilled', 'process', /ended the process \(SIGKILL\)/],
  ]
  for (const [name, oracle, message] of recoveries) {
    it(`goes on after a recovery that failed: ${name}`, () => {
      const { status, report } = crash(FIXTURE, '--export', name, '--time-limit', '300')
      expect(status).to.equal(1)
      expect([report.counts.images, report.counts.bad]).to.deep.equal([4, 1])
      expect(report.failures.map((failure) => failure.oracle)).to.deep.equal([oracle])
      expect(report.failures[0]?.message).to.match(message)
    })
  }

  it('runs a test on a mounted pool, and goes on after a recovery that died of a signal', function () {
    requireUserfaultfd(this)
    const { status, report } = crash(FIXTURE, '--export', 'liveRecoveryDies')
    expect(status).to.equal(1)
    expect(report.form).to.equal('live')
    expect([report.counts.images, report.counts.bad]).to.deep.equal([4, 1])
    expect(report.failures[0]?.message).to.match(/ended the process \(SIGBUS\)/)
  })

  it('shows what never became durable', () => {
    const { status, report } = crash(FIXTURE, '--export', 'neverFlushes')
    expect(status).to.equal(0)
    expect(report.findings.map(({ kind }) => kind)).to.deep.equal(['unflushed at close'])
    expect(crash(FIXTURE, '--export', 'fine').report.counts).to.include({ images: 4, bad: 0 })
  })

  it('says in one line what is wrong with its arguments', () => {
    const wrong: readonly (readonly [args: string[], status: number, text: RegExp])[] = [
      [['crash'], 1, /either a workload .* or --store-log/],
      [['crash', FIXTURE], 1, /has no function workload; name one of its exports: .*fine/],
      [['crash', FIXTURE, '--export', 'none'], 1, /export none of .* has no function workload/],
      [['crash', '/nonexistent.js'], 1, /nonexistent/],
      [['crash', FIXTURE, '--engine', 'steam'], 2, /steam/],
      [['crash', FIXTURE, '--seconds', 'x'], 2, /whole number/],
      [['crash', FIXTURE, '--export', 'fine', '--shard', '3/2'], 1, /shard must be two numbers/],
      [['crash', '--store-log', FIXTURE], 1, /no store log of pmemcheck/],
      [['crash-merge', FIXTURE], 1, /JSON|no report/],
    ]
    for (const [args, status, text] of wrong) {
      const ran = runCli(args)
      expect(ran.status, args.join(' ')).to.equal(status)
      expect(ran.stderr).to.match(text)
      expect(ran.stderr).not.to.match(/^\s+at /m)
    }
  })

  it('adds up shards', () => {
    const directory = temporaryDirectory('shards')
    const whole = crash(RING, '--export', 'recordNotFenced').report
    const paths = ['1/2', '2/2'].map((shard, i) => {
      const path = join(directory, `${i}.json`)
      writeFileSync(path, JSON.stringify(crash(RING, '--export', 'recordNotFenced', '--shard', shard).report))
      return path
    })
    const { status, stdout } = runCli(['crash-merge', ...paths, '--json'])
    const merged = JSON.parse(stdout) as Report
    expect(status).to.equal(1)
    expect(merged.counts).to.include({ images: whole.counts.images, bad: whole.counts.bad })
    expect(merged.failures[0]?.diagnosis).to.deep.include({ kind: 'missing fence', label: 'persist record' })
    expect(runCli(['crash-merge', paths[0] as string, paths[0] as string]).stderr).to.match(/shard 1 is there twice/)
  })

  it('goes on where it was stopped', () => {
    const journal = join(temporaryDirectory('journal'), 'j')
    const args = [RING, '--export', 'recordNotFenced', '--resume', journal]
    const part = crash(...args, '--max-states', '20').report
    expect(part).to.include({ stopped: 'states' })
    expect(existsSync(journal)).to.equal(true)
    const before = readFileSync(journal, 'utf8').split('\n').length
    const rest = crash(...args).report
    const whole = crash(RING, '--export', 'recordNotFenced').report
    expect(rest.counts).to.deep.equal(whole.counts)
    expect(readFileSync(journal, 'utf8').split('\n').length).to.be.greaterThan(before)
    expect(runCli(['crash', RING, '--export', 'correct', '--resume', journal]).stderr).to.match(/is of another run/)
  })

  it('writes one page with the run, the failing states and the bytes that differ', () => {
    const html = join(temporaryDirectory('page'), 'report.html')
    runCli(['crash', RING, '--export', 'recordNotFenced', '--html', html])
    const page = readFileSync(html, 'utf8')
    expect(page).to.match(/^<!doctype html>/)
    expect(page).not.to.match(/https?:\/\/(?!www\.w3\.org)|<script|<link|@import/)
    expect(page).to.include('missing fence: &#39;persist record&#39; of line 0x40')
    expect(page).to.match(/<circle class="store lost"/)
    expect(page.match(/<line class="fence"/g)?.length).to.equal(6)
    expect(page).to.match(/image {2}(?:00 )+.*<b>00<\/b>/)
  })

  it('reads store logs of pmemcheck', () => {
    const directory = temporaryDirectory('log')
    const log = join(directory, 'store.log')
    const checker = join(directory, 'checker.mjs')
    const base = 0x7f00_0000_0000
    writeFileSync(
      log,
      [
        `==1== pmemcheck\n|START|REGISTER_FILE;/mnt/pool;0x${base.toString(16)};0x1000;0x0`,
        `|FREORDER|mark;one${stored(base, 0x1111)};main (a.c:3)${stored(base + 64, 1)}`,
        `|FLUSH;0x${base.toString(16)};0x80|FENCE${stored(4096, 5)}|STOP\n==1== done`,
      ].join(''),
    )
    const reads = 'image.readBigUInt64LE(64) === 0n || image.readBigUInt64LE(0) === 0x1111n'
    writeFileSync(checker, `export const check = (image) => ${reads}\n`)
    const { status, report } = crash('--store-log', log, '--checker', checker)
    expect(status).to.equal(1)
    expect(report.counts).to.include({ images: 4, bad: 1 })
    expect(report.failures[0]?.stores).to.have.lengthOf(1)
    expect(report.failures[0]?.stores[0]).to.include({ offset: 0, location: 'main (a.c:3)', label: 'mark;one' })
    expect(crash('--store-log', log).status).to.equal(0)
  })
})
