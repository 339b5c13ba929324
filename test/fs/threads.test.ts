/** Several threads of one process on one mount. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { type DaxFile, type Pmem, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'
import type { ThreadTask } from './thread.fixture.js'

const PAGE = 4096
const PAGES = 32

describe('threads', function () {
  this.timeout(20_000)
  let pmem: Pmem
  let file: DaxFile
  let control: SharedArrayBuffer
  /** Awaited after other things: the event may be long past by then. */
  const exits = new Map<Worker, Promise<unknown>>()

  beforeEach(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory(), { maxThreads: 16 })
    file = pmem.open('shared.pm', { create: true, size: PAGES * PAGE })
    control = new SharedArrayBuffer(8)
  })
  afterEach(() => {
    pmem.close()
  })

  function start(kind: ThreadTask['kind'], more: Partial<ThreadTask> = {}): Worker {
    const task: ThreadTask = { kind, handle: pmem.handle, thread: 0, threads: 1, seed: 0, rounds: 1, control, ...more }
    const worker = new Worker(new URL('./thread.fixture.js', import.meta.url), { workerData: task })
    exits.set(worker, new Promise((resolve) => worker.once('exit', resolve)))
    return worker
  }
  async function message<Shape>(worker: Worker): Promise<Shape> {
    const [result] = (await once(worker, 'message')) as [Shape]
    return result
  }
  function stop(): void {
    Atomics.store(new Int32Array(control), 0, 1)
    Atomics.notify(new Int32Array(control), 0)
  }
  /** The mount still serves faults, in every kind of call. */
  function expectAlive(): void {
    const map = file.mmap()
    const bytes = new Uint8Array(map.buffer)
    for (let page = 0; page < PAGES; page++) bytes[page * PAGE + 1] = 3
    map.msync()
    expect(bytes[PAGE + 1]).to.equal(3)
    map.unmap()
  }

  it('see their own bytes and lose none, whatever the others store, sync and flush', async () => {
    const threads = 3
    const seed = seedFor('shadow')
    const workers = Array.from({ length: threads }, (_, thread) =>
      start('shadow', { thread, threads, seed, rounds: 120 }),
    )
    const results = await Promise.all(workers.map((worker) => message<{ wrong: number; stored: number }>(worker)))
    for (const worker of workers) await exits.get(worker)
    expect(results.map(({ wrong }) => wrong)).to.deep.equal([0, 0, 0])
    file.sync()
    const media = readFileSync(join(pmem.root, 'shared.pm'))
    expect(media.equals(new Uint8Array(file.mmap().buffer))).to.equal(true)
    const stats = pmem.stats()
    expect(stats.syncs).to.be.greaterThan(30)
    expect(stats.mappings, 'counters of all threads').to.equal(2 * threads + 1)
    expect(stats.memory).to.include({ liveMappings: 1, threads: 1 + 2 })
  })

  it('lose no atomic addition', async () => {
    const workers = [0, 1, 2].map((thread) => start('count', { thread, rounds: 3000 }))
    await Promise.all(workers.map((worker) => message(worker)))
    for (const worker of workers) await exits.get(worker)
    const words = new Int32Array(file.mmap().buffer)
    const sum = Array.from({ length: 16 }, (_, i) => words[(i * PAGE) / 4] as number).reduce((a, b) => a + b, 0)
    expect(sum).to.equal(9000)
  })

  it('may truncate under loads of others: each load is the byte, zero or EIO', async () => {
    file.write(Buffer.alloc(PAGES * PAGE, 7), 0)
    const worker = start('read-on', { seed: seedFor('truncate') })
    await message(worker)
    for (let i = 0; i < 150; i++) {
      file.truncate((i % PAGES) * PAGE + (i % 3) * 100)
      file.truncate(PAGES * PAGE)
      if (i % 10 === 0) file.write(Buffer.alloc(PAGES * PAGE, 7), 0)
    }
    stop()
    const counts = await message<{ odd: number; failed: number; read: number }>(worker)
    expect(counts.odd).to.equal(0)
    expect(counts.read).to.be.greaterThan(0)
    await exits.get(worker)
  })

  it('may lose power while others store: what was fenced stays, and they go on', async () => {
    const fenced = pmem.open('fenced.pm', { create: true, size: PAGE })
    const worker = start('store-on')
    await message(worker)
    for (let i = 1; i <= 60; i++) {
      fenced.write(Buffer.alloc(PAGE, i), 0)
      fenced.sync()
      fenced.write(Buffer.alloc(PAGE, 255), 0)
      pmem.crash({ survive: i % 2 === 0 ? 'none' : 'random', seed: i })
      const now = Buffer.alloc(PAGE)
      fenced.read(now, 0)
      expect(now.every((byte) => byte === i || (i % 2 === 1 && byte === 255))).to.equal(true)
    }
    stop()
    // More than one store for each time the power failed: it did not stand still. Which it may do on a loaded machine.
    expect((await message<{ stored: number }>(worker)).stored).to.be.greaterThan(60)
    await exits.get(worker)
    file.sync()
    expect(readFileSync(join(pmem.root, 'shared.pm')).equals(new Uint8Array(file.mmap().buffer))).to.equal(true)
  })

  it('that exit without close leave no mapping and no thread, and others go on', async () => {
    for (const kind of ['fill', 'exit'] as const) {
      const worker = start(kind)
      await exits.get(worker)
      expect(pmem.stats().memory, kind).to.include({ liveMappings: 0, threads: 1 + 2 })
      expectAlive()
    }
    expect(new Uint8Array(file.mmap().buffer)[0], 'stores of a thread that is gone').to.equal(7)
  })

  it('that throw leave no mapping and no thread, and others go on', async () => {
    const worker = start('throw')
    const [error] = (await once(worker, 'error')) as [Error]
    expect(error.message).to.equal('an error of the program')
    await exits.get(worker)
    expect(pmem.stats().memory).to.include({ liveMappings: 0, threads: 1 + 2 })
    expectAlive()
  })

  it('that are terminated do not keep the pool mounted', async () => {
    const worker = start('stay')
    await message(worker)
    await worker.terminate()
    expectAlive()
    const { root } = pmem
    pmem.close()
    const again = mount(root)
    expect(new Uint8Array(again.open('shared.pm').mmap().buffer)[PAGE + 1]).to.equal(3)
    again.close()
  })

  it('may outlive the close of the thread that mounted', async () => {
    const worker = start('store-on')
    await message(worker)
    const { root } = pmem
    pmem.close()
    await sleep(20)
    stop()
    expect((await message<{ stored: number }>(worker)).stored).to.be.greaterThan(0)
    await exits.get(worker)
    mount(root).close()
  })

  it('see the mount die, loudly, with the Worker that mounted', () => {
    const pool = temporaryDirectory()
    const result = runFixture('mounter.fixture', [pool])
    expect(result.status, result.stderr).to.equal(0)
    expect(result.stderr).to.match(/the thread that mounted the pool has exited/)
    expect(result.reports[0]).to.deep.include({ before: 7, mapped: 'EIO', fresh: 'EIO', open: 'EIO', close: 'ok' })
    const again = mount(pool)
    expect(new Uint8Array(again.open('shared.pm').mmap().buffer)[PAGE]).to.equal(7)
    again.close()
  })

  it('are limited by maxThreads', async () => {
    const small = mount(temporaryDirectory(), { faultWorkers: 1, maxThreads: 2 })
    const task: ThreadTask = { kind: 'fill', handle: small.handle, thread: 0, threads: 1, seed: 0, rounds: 1, control }
    const worker = new Worker(new URL('./thread.fixture.js', import.meta.url), { workerData: task })
    const [error] = (await once(worker, 'error')) as [Error]
    expect(error.message).to.match(/^EAGAIN.*maxThreads/)
    small.close()
  })

  for (const how of ['exit', 'return', 'throw']) {
    it(`of a process whose main thread ends (${how}) do not keep it`, () => {
      const result = runFixture('exit.fixture', [how, temporaryDirectory()], 10_000)
      expect(result.signal, result.stderr).to.equal(null)
      expect(result.status).to.equal({ exit: 5, return: 0, throw: 1 }[how])
    })
  }
})
