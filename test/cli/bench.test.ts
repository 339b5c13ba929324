/** faultline bench: every case runs, with a few faults, so that it cannot rot; how fast is for a quiet machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { locksBench } from '../../lib/bench/locks/locks.js'
import type { BenchResult } from '../../lib/bench/run-bench.js'
import type { Setting } from '../../lib/bench/sweep.js'
import { LOCKING_NAMES } from '../../lib/config.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory, tmpfsDirectory } from '../support/temp.js'
import { runCli } from './run-cli.js'

const CASES = ['disjoint', 'overlap', 'truncate', 'punch', 'slow', 'slow-same']
const TINY = ['threads=2', 'faults=64', 'latency=50']

/** A tiny run of each benchmark with a yardstick, which must turn out to do the same work. */
const YARDSTICKS: readonly [name: string, settings: string[], rows: number, text: RegExp][] = [
  [
    'faults',
    [
      ...['threads=2', 'pages=64', 'warm=64', 'timed=64', 'tracking=sync,async'],
      ...['size=4K,2M', 'around=1,16', 'pattern=random'],
    ],
    20,
    /both on one CPU, 2 threads[^]*Latency of a fault/,
  ],
  ['sync', ['mapping=1', 'pages=1,64', 'total=64'], 8, /neighbouring pages/],
  ['tree', ['entries=8', 'order=random'], 12, /next-tagged/],
  ['crash', ['lines=4', 'size=64', 'time=1'], 9, /64 KiB/],
  ['mount', ['size=4', 'cpus=one'], 4, /read a cold file/],
  ['copies', ['pages=1024'], 10, /mount that copies/],
]

/** The sides nothing is compared with, and the engine that has none. */
function isCompared({ side, engine }: Setting): boolean {
  return side !== 'c' && side !== 'copy' && side !== 'host' && side !== 'copied' && engine !== 'guided'
}

describe('cli bench', function () {
  this.timeout(120_000)

  it('turns down what it cannot measure with one line and status 2', () => {
    const wrong: [string[], RegExp][] = [
      [['threads=0'], /threads is a whole number from 1 to 16/],
      [['threads=4:*1:8'], /does not get on/],
      [['locking=none'], /locking is one of entry, range, inode/],
      [['speed=1'], /no parameter 'speed': there are case, locking, threads/],
      [['--rounds', '0'], /whole number from 1/],
      [['--svg'], /argument missing/],
    ]
    for (const [args, message] of wrong) {
      const { status, stderr } = runCli(['bench', 'locks', ...args])
      expect([status, stderr], args.join(' ')).to.deep.equal([2, stderr])
      expect(stderr)
        .to.match(message)
        .and.not.match(/^\s+at /m)
    }
    expect(runCli(['bench', 'nothing']).status).to.equal(2)
    expect(runCli(['bench', 'locks', '--help']).stdout).to.match(/case .*disjoint,overlap/)
  })

  for (const [name, settings, rows, text] of YARDSTICKS) {
    it(`${name}: runs every case beside its yardstick, prints ratios and draws a chart`, function () {
      requireUserfaultfd(this)
      const svg = join(temporaryDirectory(), 'chart.svg')
      const args = ['bench', name, ...settings, '--rounds', '1', '--json', '--svg', svg]
      const env = name === 'copies' ? { FAULTLINE_BENCH_DIR: tmpfsDirectory('bench') } : {}
      const { status, stdout, stderr } = runCli(args, { env })
      expect(status, stderr).to.equal(0)
      const { results, environment } = JSON.parse(stdout) as BenchResult
      expect(environment).to.have.property('pinned')
      expect(results).to.have.length(rows)
      for (const { setting, ratio, figures } of results) {
        if (!isCompared(setting)) expect(ratio).to.equal(undefined)
        else expect(ratio?.median, JSON.stringify(setting)).to.be.greaterThan(0)
        for (const { median } of Object.values(figures)) expect(median).to.be.greaterThan(0)
      }
      const drawing = readFileSync(svg, 'utf8')
      expect(drawing).to.match(text).and.not.include('NaN')
    })
  }

  for (const settings of [
    ['sync', 'mapping=1', 'pages=257'],
    ['faults', 'op=read', 'around=16'],
  ]) {
    it(`${settings.join(' ')}: says that no combination of these settings is possible`, () => {
      const { status, stderr } = runCli(['bench', ...settings])
      expect([status, stderr]).to.deep.equal([2, stderr])
      expect(stderr).to.match(/^error: no combination of these settings is possible: --help/)
    })
  }

  it('compares ratios with those of an earlier result: status 3 when some have grown', () => {
    const file = join(temporaryDirectory(), 'baseline.json')
    const run = ['bench', 'tree', 'entries=6', 'op=lookup', 'order=seq', 'side=faultline,c', '--rounds', '1']
    const { stdout } = runCli([...run, '--json'])
    const result = JSON.parse(stdout) as BenchResult
    const write = (factor: number): void => {
      const results = result.results.map((each) => {
        if (each.ratio === undefined) return each
        return { ...each, ratio: { ...each.ratio, median: each.ratio.median * factor } }
      })
      writeFileSync(file, JSON.stringify({ ...result, results }))
    }
    write(1000)
    expect(runCli([...run, '--baseline', file]).status).to.equal(0)
    write(0.0001)
    const { status, stderr } = runCli([...run, '--baseline', file])
    expect([status, stderr]).to.deep.equal([3, stderr])
    expect(stderr)
      .to.include('1 ratios against')
      .and.match(/op=lookup order=seq entries=6 side=faultline: [\d.]+x of c, was 0\.00/)
  })

  it('turns down a baseline that is none before it measures', () => {
    const file = join(temporaryDirectory(), 'baseline.json')
    const result = { bench: 'tree', environment: {}, results: [] }
    const wrong: [string, RegExp][] = [
      ['{', /it is not JSON/],
      ['null', /no result of bench tree/],
      [JSON.stringify({ ...result, bench: 'sync' }), /no result of bench tree/],
      [JSON.stringify({ ...result, results: [1] }), /damaged/],
      [JSON.stringify(result), /no ratios/],
    ]
    for (const [text, message] of wrong) {
      writeFileSync(file, text)
      const { status, stderr } = runCli(['bench', 'tree', '--baseline', file])
      expect([status, stderr]).to.deep.equal([1, stderr])
      expect(stderr).to.match(message)
    }
    expect(runCli(['bench', 'tree', '--tolerance', '-1']).status).to.equal(2)
  })

  describe('locks', () => {
    before(function () {
      requireUserfaultfd(this)
    })

    it('says where a chart cannot be written before it measures', () => {
      const { status, stderr } = runCli(['bench', 'locks', '--svg', '/nonexistent/chart.svg'])
      expect([status, stderr]).to.deep.equal([1, "faultline: no such directory: '/nonexistent'\n"])
    })

    it('runs every case under every design, with the same work', async () => {
      for (const kind of CASES) {
        const hashes = new Set<number>()
        for (const locking of LOCKING_NAMES) {
          const setting = { case: kind, locking, threads: 2, faults: 64, latency: 50 }
          const context = { directory: temporaryDirectory(), seed: 1 }
          const { figures, hash } = await locksBench.measure(setting, context)
          const { perSecond = 0, p50 = 0, p99 = 0, stormsPerSecond = 0 } = figures
          expect(perSecond, JSON.stringify(setting)).to.be.greaterThan(0)
          expect(p99).to.be.at.least(p50)
          expect(stormsPerSecond > 0).to.equal(kind === 'truncate' || kind === 'punch')
          if (kind.startsWith('slow')) expect(p99).to.be.at.least(50)
          hashes.add(hash)
        }
        expect(hashes.size, kind).to.equal(1)
      }
    })

    it('prints JSON and draws a chart', () => {
      const directory = temporaryDirectory()
      const [svg, html] = [join(directory, 'locks.svg'), join(directory, 'locks.html')]
      const args = ['case=truncate', 'locking=inode', '--rounds', '1', '--json', '--svg', svg, '--html', html]
      const { status, stdout, stderr } = runCli(['bench', 'locks', ...TINY, ...args])
      expect(status, stderr).to.equal(0)
      const { results, environment } = JSON.parse(stdout) as BenchResult
      expect(environment).to.include({ node: process.version, rounds: 1 })
      expect(results.map(({ setting }) => setting)).to.deep.equal([
        { case: 'truncate', locking: 'inode', threads: 2, faults: 64, latency: 50 },
      ])
      const drawing = readFileSync(svg, 'utf8')
      expect(drawing).to.match(/^<svg/).and.include('while truncating').and.include('inode').and.not.include('NaN')
      expect(readFileSync(html, 'utf8')).to.include(drawing).and.include('stormsPerSecond')
    })

    it('prints a table of what was swept', () => {
      const { status, stdout, stderr } = runCli([
        'bench',
        'locks',
        ...TINY,
        'case=overlap',
        'locking=entry,range',
        '--rounds',
        '1',
      ])
      expect(status, stderr).to.equal(0)
      expect(stdout)
        .to.match(/locking .* faults\/s/)
        .and.match(/entry.*\d/)
        .and.match(/range/)
        .and.include('kernel')
      expect(stdout).not.to.include('NaN')
      expect(existsSync('locks.svg')).to.equal(false)
    })
  })
})
