/** The mount option stores: 'traced' and Pmem.recordStores: what is recorded of stores and calls, and in what order. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import {
  type DaxFile,
  type DaxMapping,
  type MountOptions,
  type Pmem,
  PmemError,
  attach,
  mount,
} from '../../lib/index.js'
import { tracerOf } from '../../lib/fs/store-tracing.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'
import { outcomeOf } from './report.js'
import { StoreList } from './store-list.js'
import { TracedChecker } from './traced-checker.js'
import { nextOperation, plainMemory } from './traced-program.js'
import { Prng } from '../../lib/prng.js'

const PAGE = 4096

describe('a traced mount', function () {
  this.timeout(30_000)
  let pmem: Pmem
  let file: DaxFile
  let map: DaxMapping
  let bytes: Uint8Array
  let list: StoreList

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    open()
  })
  afterEach(() => {
    pmem.close()
  })

  function open(options: MountOptions = {}): void {
    pmem = mount(temporaryDirectory(), { stores: 'traced', ...options })
    file = pmem.open('a.pm', { create: true, size: 16 * PAGE })
    map = file.mmap()
    bytes = new Uint8Array(map.buffer)
    list = new StoreList()
  }

  it('records stores, calls and marks in one order', () => {
    const recorder = pmem.recordStores(list)
    pmem.mark('append')
    bytes[8] = 1
    map.flush(0, 64)
    pmem.fence()
    new DataView(map.buffer).setUint8(70, 2)
    map.persist(64, 64)
    pmem.acknowledged('7')
    map.copy(128, Buffer.from([3, 4]), { nonTemporal: true, drain: false })
    map.fill(136, 2, 9)
    file.write(Buffer.from([5]), 200)
    map.msync(0, PAGE)
    file.sync()
    expect(list.lines, 'nothing before drain').to.deep.equal([])
    expect(recorder.drain()).to.equal(list.lines.length + 1)
    const self = Number(list.lines[0]?.split(' ')[1])
    expect(list.lines).to.deep.equal([
      `mark ${self} append`,
      `store ${self} 1 8 01`,
      `flush ${self} 1 0 64`,
      `fence ${self}`,
      `store ${self} 1 70 02`,
      `flush ${self} 1 64 64`,
      `fence ${self}`,
      `acknowledged ${self} 7`,
      `store ${self} 1 128 0304 nt`,
      `store ${self} 1 136 0909`,
      `flush ${self} 1 136 2`,
      `fence ${self}`,
      'store -1 1 200 05 nt',
      `flush -1 1 0 ${PAGE}`,
      'fence -1',
      `flush -1 1 0 ${16 * PAGE}`,
      'fence -1',
    ])
    expect(recorder.files).to.deep.equal(['', 'a.pm'])
  })

  it('records silent stores, and none for a compareExchange that fails', () => {
    const recorder = pmem.recordStores(list)
    bytes[1] = 0
    const words = new Int32Array(map.buffer)
    Atomics.compareExchange(words, 1, 99, 5)
    Atomics.compareExchange(words, 1, 0, 0)
    recorder.drain()
    expect(list.stores.map(({ offset, bytes: stored }) => [offset, ...stored])).to.deep.equal([
      [1, 0],
      [4, 0, 0, 0, 0],
    ])
  })

  it('names the file by its own offsets, in any mapping of it', () => {
    const second = pmem.open('b.pm', { create: true, size: PAGE })
    const recorder = pmem.recordStores(list)
    const part = file.mmap({ offset: 2 * PAGE, length: PAGE })
    new Uint8Array(part.buffer)[3] = 1
    new Uint8Array(second.mmap().buffer)[4] = 2
    const late = pmem.open('c.pm', { create: true, size: PAGE })
    new Uint8Array(late.mmap().buffer)[5] = 3
    recorder.drain()
    const { files } = recorder
    expect(list.stores.map(({ file: number, offset }) => `${files[number]} ${offset}`)).to.deep.equal([
      `a.pm ${2 * PAGE + 3}`,
      'b.pm 4',
      'c.pm 5',
    ])
  })

  it('knows a thread that attaches twice, and one of its two mounts that closes', () => {
    const recorder = pmem.recordStores(list)
    const other = attach(pmem.handle)
    bytes[0] = 1
    other.close()
    bytes[1] = 2
    pmem.mark('first')
    recorder.drain()
    const threads = list.lines.map((line) => Number(line.split(' ')[1]))
    expect(threads[1]).to.equal(threads[2])
    expect(Math.min(...threads)).to.be.greaterThan(0)
  })

  it('knows the places of calls, and of stores the last call before them, when asked', () => {
    const recorder = pmem.recordStores(list, { locations: 'stacks' })
    bytes[0] = 1
    pmem.mark('here')
    bytes[1] = 2
    recorder.drain()
    const places = list.stores.map(({ location }) => recorder.locations[location])
    expect(places[0]).to.equal('')
    expect(places[1]).to.match(/traced\.test\.js:\d+:\d+$/)
  })

  it('records nothing of private mappings, reads, and its own page faults', () => {
    const recorder = pmem.recordStores(list)
    new Uint8Array(file.mmap({ sharing: 'private' }).buffer)[0] = 1
    map.madvise('populate_write', 0, 4 * PAGE)
    file.read(Buffer.alloc(10), 0)
    expect(bytes[5 * PAGE]).to.equal(0)
    recorder.drain()
    expect(list.lines).to.deep.equal([])
  })

  it('takes as many faults, and makes the same things durable, as one that is not traced', async () => {
    const run = async (options: MountOptions, likely?: unknown): Promise<[unknown, Buffer]> => {
      pmem.close()
      open(options)
      for (let page = 0; page < 8; page++) if (page % 2 === 0) expect(bytes[page * PAGE]).to.equal(0)
      for (let page = 0; page < 8; page++) bytes[page * PAGE + page] = page + 1
      map.persist(0, PAGE)
      map.msync(PAGE, 2 * PAGE)
      bytes[PAGE + 8] = 77
      pmem.crash()
      for (let page = 0; page < 16; page++) expect(bytes[page * PAGE + 100]).to.equal(0)
      // Who faulted may be ahead of the worker that counts.
      let counts: unknown
      for (let attempt = 0; attempt < 100; attempt++) {
        const { faults, linesFenced } = pmem.stats()
        counts = [linesFenced, ...Object.entries(faults).map(([name, { count }]) => [name, count])]
        if (likely === undefined ? attempt === 3 : JSON.stringify(counts) === JSON.stringify(likely)) break
        await sleep(20)
      }
      return [counts, Buffer.from(readFileSync(join(pmem.root, 'a.pm')))]
    }
    const traced = await run({})
    const plain = await run({ stores: 'diff' }, traced[0])
    expect(traced[0]).to.deep.equal(plain[0])
    expect(traced[1].equals(plain[1])).to.equal(true)
  })

  it('serves 2 MiB pages as one that is not traced, MAP_SYNC too', () => {
    const stride = 4099
    const run = (options: MountOptions): void => {
      pmem.close()
      open(options)
      const large = pmem.open('large.pm', { create: true, size: '4MiB' })
      large.fallocate({ offset: 0, length: 4 << 20 })
      const mapping = large.mmap({ sync: true })
      const words = new Float64Array(mapping.buffer)
      if (options.stores !== 'diff') pmem.recordStores(list)
      for (let i = 0; i < words.length; i += stride) words[i] = i
      mapping.msync()
      words[1] = 7
      pmem.crash()
      for (let i = 0; i < words.length; i += stride) expect(words[i]).to.equal(i)
      expect(words[1]).to.equal(0)
      expect(pmem.stats().faults.hugeHoleWrite.count).to.equal(2)
    }
    run({ stores: 'diff' })
    run({})
    pmem.close()
    expect(list.stores.length).to.equal(Math.ceil((4 << 20) / 8 / stride) + 1)
  })

  it('goes on with mappings that change shape', () => {
    const recorder = pmem.recordStores(list)
    map.mremap(20 * PAGE)
    file.truncate(20 * PAGE)
    new Uint8Array(map.buffer)[18 * PAGE] = 1
    map.mprotect(0, PAGE, 'r')
    map.mprotect(0, PAGE, 'rw')
    new Uint8Array(map.buffer)[0] = 2
    map.munmap(4 * PAGE, PAGE)
    new Uint8Array(map.buffer)[5 * PAGE] = 3
    file.fallocate({ mode: 'punch', offset: 0, length: PAGE })
    new Uint8Array(map.buffer)[1] = 4
    recorder.drain()
    expect(list.stores.map(({ offset, bytes: [byte] }) => [offset, byte])).to.deep.equal([
      [18 * PAGE, 1],
      [0, 2],
      [5 * PAGE, 3],
      [1, 4],
    ])
    expect(outcomeOf(() => map.tryWrite(4 * PAGE, Buffer.alloc(1))).code).to.equal('EFAULT')
  })

  it('survives stores past the end of the file where the call promises that', () => {
    const recorder = pmem.recordStores(list)
    const long = file.mmap({ length: 20 * PAGE })
    const failure = outcomeOf(() => long.tryWrite(16 * PAGE - 2, Buffer.from([1, 2, 3])))
    expect(failure.code).to.equal('EIO')
    expect(outcomeOf(() => long.copy(17 * PAGE, Buffer.alloc(8))).code).to.equal('EIO')
    recorder.drain()
    expect(list.stores.every(({ offset }) => offset < 16 * PAGE)).to.equal(true)
    expect(bytes[16 * PAGE - 1]).to.equal(2)
  })

  it('has one recording at a time, which starts anew', () => {
    const recorder = pmem.recordStores(list)
    expect(outcomeOf(() => pmem.recordStores(list)).code).to.equal('EBUSY')
    bytes[0] = 1
    recorder.stop()
    recorder.stop()
    expect(recorder.drain()).to.equal(0)
    bytes[0] = 2
    const again = new StoreList()
    using second = pmem.recordStores(again)
    bytes[0] = 3
    second.drain()
    expect([list, again].map(({ stores }) => stores.map(({ bytes: [byte] }) => byte))).to.deep.equal([[1], [3]])
  })

  it('delivers what is left at close, and not what closing does', () => {
    pmem.recordStores(list)
    bytes[0] = 1
    pmem.close()
    expect(list.lines.map((line) => line.split(' ')[0])).to.deep.equal(['store'])
  })

  it('says that its log is full, and loses nothing silently', () => {
    pmem.close()
    const { status, stderr, reports } = runFixture('traced.fixture', ['full', temporaryDirectory()])
    expect(status).to.equal(0)
    expect(stderr).to.match(/faultline: the store log is full/)
    expect(reports[0]).to.deep.equal({ code: 'ENOSPC', kept: 4096 * 4 })
    open()
  })

  it('K72: with domain eadr a power failure spares every store', () => {
    pmem.close()
    open({ stores: 'diff', domain: 'eadr' })
    bytes[0] = 1
    file.write(Buffer.from([2]), PAGE)
    expect(pmem.crash({ survive: 'none' })).to.include({ linesAtRisk: 2, linesLost: 0 })
    expect([bytes[0], bytes[PAGE]]).to.deep.equal([1, 2])
  })

  it('K72: without it a power failure spares what was fenced', () => {
    pmem.close()
    open({ stores: 'diff' })
    bytes[0] = 1
    map.copy(64, Buffer.from([2]))
    map.copy(128, Buffer.from([3]), { drain: false })
    map.copy(192, Buffer.from([4]), { nonTemporal: true, drain: false })
    map.drain()
    map.fill(256, 4, 5, { drain: false })
    bytes[320] = 6
    map.deepSync(320, 1)
    bytes[384] = 7
    pmem.crash()
    expect([0, 64, 128, 192, 256, 320, 384].map((at) => bytes[at])).to.deep.equal([0, 2, 3, 4, 5, 6, 0])
  })

  it('is refused under a debugger, and recording without tracing is', () => {
    expect(tracerOf('Name:\tnode\nTracerPid:\t4711\nUid:\t0')).to.equal(4711)
    expect(tracerOf('TracerPid:\t0\n')).to.equal(0)
    pmem.close()
    open({ stores: 'diff' })
    expect(() => pmem.recordStores(list)).to.throw(PmemError, /ENOTSUP: .*stores: 'traced'/)
    pmem.mark('nobody records')
  })

  it('leaves a terminated Worker behind without hanging or losing the others', async () => {
    const recorder = pmem.recordStores(list)
    const worker = new Worker(new URL('./traced.fixture.js', import.meta.url), {
      argv: ['worker', ''],
      workerData: pmem.handle,
    })
    await once(worker, 'message')
    for (let i = 0; i < 50; i++) bytes[PAGE + i] = i
    await worker.terminate()
    for (let i = 0; i < 50; i++) bytes[2 * PAGE + i] = i
    map.persist(2 * PAGE, 50)
    recorder.drain()
    const mine = list.stores.filter(({ offset }) => offset >= PAGE)
    expect(mine.map(({ offset }) => offset % PAGE)).to.deep.equal([...Array(100).keys()].map((i) => i % 50))
    expect(list.stores.length).to.be.greaterThan(mine.length)
  })

  for (const scenario of ['segv', 'segv in a step', 'sigbus', 'protected']) {
    it(`dies of a real fault as without tracing: ${scenario}`, () => {
      const { signal, stderr, reports } = runFixture('traced.fixture', [scenario, temporaryDirectory()])
      expect(reports[0], stderr).to.deep.equal({ stored: 1 })
      expect(signal).to.equal(scenario === 'sigbus' ? 'SIGBUS' : 'SIGSEGV')
      if (scenario === 'sigbus') expect(stderr).to.match(/faultline: SIGBUS at 0x00003[0-9a-f]+/)
      else expect(stderr).to.equal('')
    })
  }

  it('passes on signals to the handlers that were there, and those that came later', () => {
    const { status, stderr, reports } = runFixture('traced.fixture', ['chain', temporaryDirectory()])
    expect([status, stderr]).to.deep.equal([0, ''])
    expect(reports).to.deep.equal([
      { wasm: 'memory access out of bounds', recorded: 3 },
      { sigtrap: 1, recorded: 4 },
      { sigtrap: 2, recorded: 4 },
    ])
  })
})

describe('the checker of traced stores', () => {
  const SEED = 5
  type Change = (checker: TracedChecker, store: [number, number, number, Uint8Array, boolean], index: number) => void

  /** A recording as the program would make it, one record a byte, with each record changed on its way. */
  function check(change: Change): void {
    const checker = new TracedChecker(SEED, 1)
    const memory = plainMemory(new ArrayBuffer(checker.image.length))
    const bytes = new Uint8Array(memory.buffer)
    const prng = new Prng(SEED)
    let index = 0
    for (let i = 0; i < 60; i++) {
      checker.mark(2, `0 ${i}`)
      const operation = nextOperation(prng, 0)
      operation.run(memory)
      const { offset, length, single, byFile, nonTemporal } = operation
      const step = single ? Math.max(length, 1) : 1
      for (let at = offset; at < offset + length; at += step) {
        change(checker, [byFile ? -1 : 2, 1, at, bytes.slice(at, at + step), nonTemporal], index++)
      }
    }
    checker.mark(2, '0 end')
    checker.finish(bytes)
  }

  const tell: Change = (checker, [thread, file, offset, stored, nonTemporal]) => {
    checker.store(thread, file, offset, stored, nonTemporal)
  }

  it('accepts a right recording', () => {
    check(tell)
  })

  const changes: Record<string, Change> = {
    'a record is missing': (checker, store, index) => {
      if (index !== 100) tell(checker, store, index)
    },
    'a byte is wrong': (checker, store, index) => {
      if (index === 100) store[3][0] = (store[3][0] as number) ^ 1
      tell(checker, store, index)
    },
    'a record is elsewhere': (checker, store, index) => {
      if (index === 100) store[2] += 1
      tell(checker, store, index)
    },
    'a record is of another thread': (checker, store, index) => {
      if (index === 100) store[0] = 3
      tell(checker, store, index)
    },
    'a record comes twice as wide': (checker, store, index) => {
      if (index === 100) store[3] = new Uint8Array(store[3].length + 63)
      tell(checker, store, index)
    },
  }
  for (const [what, change] of Object.entries(changes)) {
    it(`notices when ${what}`, () => {
      expect(() => {
        check(change)
      }).to.throw(Error)
    })
  }
})
