import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')
const reporter = fileURLToPath(new URL('../../support/reporter.js', import.meta.url))
const fixture = fileURLToPath(new URL('./outcomes.fixture.js', import.meta.url))

/** Runs the fixture under mocha without this project's configuration, so that only the reporter is under test. */
function run(settings: Record<string, string>) {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !['CI', 'SEED'].includes(name)))
  const options = [
    '--no-config',
    '--no-color',
    '--no-package',
    '--reporter',
    reporter,
    '--reporter-option',
    'lingerMs=300',
  ]
  const child = spawnSync(process.execPath, [mocha, ...options, fixture], {
    env: { ...environment, ...settings },
    encoding: 'utf8',
  })
  return { ...child, lastLine: child.stdout.trimEnd().split('\n').at(-1) }
}

describe('reporter', function () {
  this.slow(2000)

  it('ends with one line of counts', () => {
    const child = run({})
    expect(child.lastLine).to.equal('1 passed, 0 failed, 1 skipped')
    expect(child.status).to.equal(0)
  })

  it('counts skipped tests as failed in CI', () => {
    const child = run({ CI: 'true' })
    expect(child.lastLine).to.equal('1 passed, 1 failed')
    expect(child.stdout).to.include('a failure in CI: outcomes is skipped')
    expect(child.status).to.equal(1)
  })

  it('shows the seed of a failing random test, which replays it', () => {
    const first = run({ FIXTURE_FAIL: '1' })
    expect(first.lastLine).to.equal('1 passed, 1 failed, 1 skipped')
    expect(first.status).to.equal(1)
    const seed = /\[replay with SEED=(\d+)\]/.exec(first.stdout)?.[1] ?? expect.fail('no seed in the message')
    expect(first.stdout).to.include('a message')
    const drawn = (text: string) => /^ +-(\d+)$/m.exec(text)?.[1]
    const again = run({ FIXTURE_FAIL: '1', SEED: seed })
    expect(drawn(again.stdout)).to.be.a('string').and.to.equal(drawn(first.stdout))
  })

  it('fails when something keeps the process alive, and names it', () => {
    const child = run({ FIXTURE_LEAK: '1' })
    expect(child.stderr).to.match(/the process does not end: .*Timeout/)
    expect(child.lastLine).to.equal('1 passed, 1 failed, 1 skipped')
    expect(child.status).to.equal(1)
  })
})
