/**
 * Threads and processes that end in the middle of things: in each phase, in each way. Nobody hangs, who goes on gets
 * the bytes or an error with a code, the pool can be mounted again, and what was acknowledged is there.
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { attach, mount } from '../../lib/index.js'
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { projectRoot } from '../support/sources.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { type FixtureResult, runFixture } from './run-fixture.js'

const PAGE = 4096
const INDEX = new URL('../../lib/index.js', import.meta.url).href
/** Phases and ways that every run takes; ENDS=all takes each way in each phase (npm run test:ends). */
const EVERYTHING = process.env['ENDS'] === 'all'
const PHASES = ['mounting', 'mapping', 'faulting', 'blocked', 'syncing', 'closing'] as const
const WAYS = ['terminate', 'exit', 'throw'] as const
const MAIN_ENDS = [
  ['exit', 7, null],
  ['throw', 1, null],
  ['SIGTERM', null, 'SIGTERM'],
  ['SIGINT', null, 'SIGINT'],
] as const
const CODES = ['ok', 'EIO']

type Outcome = Record<'code' | 'message', string>

describe('the end of', function () {
  this.timeout(200_000)
  before(function () {
    requireUserfaultfd(this)
  })

  function run(...args: string[]): FixtureResult & { pool: string } {
    const pool = temporaryDirectory()
    return { ...runFixture('ends.fixture', [...args, pool], 60_000), pool }
  }

  PHASES.forEach((phase, i) => {
    // Exit and throw take turns; terminate, which runs no hook, is tried in every phase.
    const ways = EVERYTHING ? WAYS : (['terminate', ...(i % 3 === 0 ? [WAYS[1 + (i % 2)]] : [])] as const)
    it(`a Worker while ${phase}: by ${ways.join(', ')}`, () => {
      for (const how of ways) {
        const { reports, status, signal, stderr } = run('worker', String(how), phase)
        expect({ status, signal }, `${how}: ${stderr}`).to.deep.equal({ status: 0, signal: null })
        const { uses, close, ...kept } = reports[0] as {
          uses: Outcome[]
          close: Outcome
          sound: boolean
          lost: boolean
        }
        for (const { code, message } of [...uses, close]) expect(code, `${how}: ${message}`).to.be.oneOf(CODES)
        // Only who is terminated leaves something behind that others may need.
        if (how !== 'terminate') expect(uses.map(({ code }) => code).join(' '), how).to.match(/^(ok ?)+$/)
        expect(kept, how).to.deep.equal({ sound: true, lost: false })
      }
    })

    if (EVERYTHING || i % 2 === 0) {
      it(`a Worker that has mounted, while ${phase}: by ${EVERYTHING ? WAYS.join(', ') : 'terminate'}`, () => {
        for (const how of EVERYTHING ? WAYS : (['terminate'] as const)) {
          const { reports, status, signal, stderr } = run('mounter', how, phase)
          expect({ status, signal }, `${how}: ${stderr}`).to.deep.equal({ status: 0, signal: null })
          expect(reports, how).to.deep.equal([{ sound: true, lost: false }])
        }
      })
    }

    const ends = EVERYTHING ? MAIN_ENDS : MAIN_ENDS.filter((_, end) => end + 1 === i)
    if (ends.length === 0) return
    it(`the main thread while ${phase}: by ${ends.map(([how]) => how).join(', ')}`, () => {
      for (const [how, status, signal] of ends) {
        const result = run('main', how, phase)
        const { status: code, signal: by } = result
        expect({ status: code, signal: by }, `${how}: ${result.stderr}`).to.deep.equal({ status, signal })
        const after = runFixture('ends.fixture', ['kept', '', '', result.pool], 60_000)
        expect(after.reports, `${how}: ${after.stderr}`).to.deep.equal([{ sound: true, lost: false }])
      }
    })
  })
})

describe('one process', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  it('keeps a mapping that was dropped and collected, and its stores, until the mount is closed', async () => {
    const pool = temporaryDirectory()
    const pmem = mount(pool)
    const file = pmem.open('a.pm', { create: true, size: 64 * PAGE })
    let collected = 0
    const registry = new FinalizationRegistry(() => collected++)
    const drop = (page: number): void => {
      const map = file.mmap({ offset: page * PAGE, length: PAGE })
      map.tryWrite(0, Uint8Array.of(page + 1))
      // The bytes outlive the object that mapped them: a view is all that is left, and then not even that.
      registry.register(new Uint8Array(map.buffer), page)
    }
    for (let page = 0; page < 64; page++) drop(page)
    for (let turn = 0; turn < 20; turn++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const all = file.mmap()
    for (let page = 0; page < 64; page++) expect(all.tryRead(page * PAGE, 1)[0], `${collected}`).to.equal(page + 1)
    pmem.verify()
    pmem.close()
    const again = mount(pool)
    expect(
      again
        .open('a.pm')
        .mmap()
        .tryRead(63 * PAGE, 1)[0],
    ).to.equal(64)
    expect(again.stats().memory.liveMappings).to.equal(1)
    again.close()
  })

  it('closes while others wait and fault: they go on, and the last close unmounts', async () => {
    const pool = temporaryDirectory()
    const pmem = mount(pool, { mediaLatency: 2000 })
    pmem.open('a.pm', { create: true }).write(Buffer.alloc(64 * PAGE, 3), 0)
    pmem.sync()
    const script = `import('${INDEX}').then(({ attach }) => {
      const { workerData, parentPort } = require('node:worker_threads')
      const pmem = attach(workerData.handle)
      const map = pmem.open('a.pm').mmap()
      parentPort.postMessage('ready')
      Atomics.wait(workerData.go, 0, 0)
      let sum = 0
      for (let turn = 0; turn < 8; turn++) {
        for (let page = 0; page < 64; page++) sum += map.tryRead(page * 4096, 1)[0]
        map.madvise('dontneed')
        map.msync()
      }
      pmem.close()
      parentPort.postMessage(sum) })`
    const go = new Int32Array(new SharedArrayBuffer(4))
    const workers = [0, 1, 2].map(() => new Worker(script, { eval: true, workerData: { handle: pmem.handle, go } }))
    const said: unknown[] = []
    const ends = workers.map((worker) => {
      worker.on('message', (message) => said.push(message))
      return once(worker, 'exit')
    })
    while (said.length < workers.length) await new Promise((resolve) => setTimeout(resolve, 2))
    go[0] = 1
    Atomics.notify(go, 0)
    pmem.close()
    await Promise.all(ends)
    expect(said.filter((message) => message !== 'ready')).to.deep.equal(Array(3).fill(8 * 64 * 3))
    mount(pool).close()
  })

  it('may have two copies of the package: each has its pools, one pool is EBUSY for the other', async () => {
    const copy = temporaryDirectory('copy')
    mkdirSync(join(copy, 'build/Release'), { recursive: true })
    for (const name of ['dist/lib', 'package.json', 'binding.gyp', 'build/Release/faultline.node']) {
      cpSync(join(projectRoot, name), join(copy, name), { recursive: true })
    }
    const other = (await import(pathToFileURL(join(copy, 'dist/lib/index.js')).href)) as { mount: typeof mount }
    expect(other.mount).not.to.equal(mount)
    const [one, two] = [temporaryDirectory(), temporaryDirectory()]
    const ours = mount(one)
    const theirs = other.mount(two)
    const maps = [ours, theirs].map((pmem) => pmem.open('a.pm', { create: true, size: 64 * PAGE }).mmap())
    for (let page = 0; page < 64; page++) maps.forEach((map, i) => (new Uint8Array(map.buffer)[page * PAGE] = page + i))
    for (const map of maps) map.msync()
    maps.forEach((map, i) => expect(map.tryRead(63 * PAGE, 1)[0]).to.equal(63 + i))
    // SIGBUS past EOF is caught by both copies' guards, whichever handler was installed last.
    for (const pmem of [ours, theirs]) {
      const map = pmem.open('b.pm', { create: true, size: PAGE }).mmap({ length: 4 * PAGE })
      expect(() => map.tryRead(2 * PAGE, 1)).to.throw(/^EIO/)
    }
    expect(() => other.mount(one)).to.throw(/^EBUSY.*this process/)
    expect(() => mount(two)).to.throw(/^EBUSY.*this process/)
    ours.close()
    theirs.close()
    other.mount(one).close()
    mount(two).close()
  })

  it('may load the addon in many Workers, all of one mount or each with its own', async () => {
    const pool = temporaryDirectory()
    const pmem = mount(pool, { maxThreads: 64 })
    pmem.open('a.pm', { create: true, size: 64 * PAGE }).close()
    const script = `import('${INDEX}').then(({ attach, mount }) => {
      const { workerData, parentPort } = require('node:worker_threads')
      const shared = attach(workerData.handle)
      const own = mount(workerData.own)
      const maps = [shared.open('a.pm'), own.open('b.pm', { create: true, size: 4096 })].map((file) => file.mmap())
      maps[0].tryWrite(4096 * workerData.i, Uint8Array.of(workerData.i + 1))
      maps[1].tryWrite(0, Uint8Array.of(1))
      for (const map of maps) map.msync()
      own.close()
      shared.close()
      parentPort.postMessage('done') })`
    const COUNT = 12
    const workers = Array.from({ length: COUNT }, (_, i) => {
      const worker = new Worker(script, {
        eval: true,
        workerData: { handle: pmem.handle, own: temporaryDirectory(), i },
      })
      return once(worker, 'exit')
    })
    for (const [code] of await Promise.all(workers)) expect(code).to.equal(0)
    const map = pmem.open('a.pm').mmap()
    for (let i = 0; i < COUNT; i++) expect(map.tryRead(PAGE * i, 1)[0]).to.equal(i + 1)
    const other = attach(pmem.handle)
    pmem.verify()
    other.close()
    pmem.close()
  })
})
