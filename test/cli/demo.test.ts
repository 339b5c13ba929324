import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runCli, startCli } from './run-cli.js'

const SMALL_FILE = 'package-lock.json'

describe('cli demo', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  it('copies, kills, crashes, loses nothing and leaves nothing behind', () => {
    const folder = temporaryDirectory('demo')
    const { status, stdout, stderr } = runCli(['demo', '--rounds', '2', '--file', SMALL_FILE], {
      env: { TMPDIR: folder },
    })
    expect(status, stderr).to.equal(0)
    expect(stdout).to.contain("SHA-256 of the mapping equals the file's")
    expect(stdout).to.match(/│ power failures\s+│\s+2 │\s+2 │/)
    expect(stdout).to.match(/│ {3}lost\s+│\s+0 │\s+0 │/)
    expect(stdout).to.match(/│ torn\s+│\s+0 │\s+0 │/)
    expect(stdout).to.match(/load, page not in the cache\s+│\s+\d+ │\s+\d+\.\d │/)
    expect(stdout).to.contain('The power failed 4 times')
    expect(readdirSync(folder)).to.be.empty
  })

  it('--keep leaves pools that stat can look at', () => {
    const folder = temporaryDirectory('demo')
    const args = ['demo', '--rounds', '1', '--file', SMALL_FILE, '--seed', '7', '--keep']
    expect(runCli(args, { env: { TMPDIR: folder } }).status).to.equal(0)
    const [kept = ''] = readdirSync(folder)
    const log = join(folder, kept, 'crash', 'log-000001.pm')
    const { status, stdout } = runCli(['stat', log])
    expect(status).to.equal(0)
    expect(stdout).to.match(/│ written\s+│\s+0 │/)
  })

  it('turns down what it cannot copy', () => {
    for (const file of ['/nonexistent', '/tmp', '/dev/null']) {
      const { status, stderr } = runCli(['demo', '--file', file])
      expect(status, file).to.equal(1)
      expect(stderr).to.match(/^faultline: .*\n$/)
    }
  })

  it('stopped by a signal leaves nothing behind', async () => {
    const folder = temporaryDirectory('demo')
    const child = startCli(['demo', '--rounds', '1000', '--file', SMALL_FILE], { env: { TMPDIR: folder } })
    const ended = once(child, 'close')
    for await (const line of createInterface({ input: child.stdout as Readable })) {
      if (line.startsWith('2.')) child.kill('SIGINT')
    }
    expect(await ended).to.deep.equal([130, null])
    expect(readdirSync(folder)).to.be.empty
  })
})
