import { expect } from 'chai'
import type { Userfaultfd } from '../../../lib/binding/addon.js'
import { addon } from '../../../lib/binding/load.js'
import { FaultThread } from '../../support/fault-thread.js'
import { requireUserfaultfd } from '../../support/require-uffd.js'

const PAGE = 4096
const PAGES = 16
const LENGTH = PAGES * PAGE
const TIMEOUT_MS = 2000

function constant(name: string): number {
  const value = addon.constants[name]
  if (value === undefined) throw new Error(`no constant ${name}`)
  return value
}

describe('userfaultfd', () => {
  const FIRST = constant('FAULT_RECORD_FIRST')
  const SIZE = constant('FAULT_RECORD_SIZE')
  const records = new Float64Array(FIRST + 64 * SIZE)
  let uffd: Userfaultfd
  let stop: number
  let memfd: number
  let alias: number
  let map: number
  let source: Uint8Array
  let thread: FaultThread

  before(async function () {
    requireUserfaultfd(this)
    thread = await FaultThread.start()
  })

  after(async () => {
    await (thread as FaultThread | undefined)?.stop()
  })

  beforeEach(() => {
    uffd = addon.openUserfaultfd()
    stop = addon.createEvent()
    memfd = addon.createMemfd('uffd-test', LENGTH)
    const rw = constant('PROT_READ') | constant('PROT_WRITE')
    alias = addon.mapFile(memfd, 0, LENGTH, rw, true)
    map = watched(true)
    source = new Uint8Array(new SharedArrayBuffer(2 * PAGE))
  })

  afterEach(() => {
    addon.unmap(map, LENGTH)
    addon.unmap(alias, LENGTH)
    for (const fd of [memfd, stop, uffd.fd]) addon.closeFd(fd)
  })

  function watched(shared: boolean): number {
    const address = addon.mapFile(memfd, 0, LENGTH, constant('PROT_READ') | constant('PROT_WRITE'), shared)
    const modes = ['MISSING', 'WP', 'MINOR'].map((mode) => constant(`UFFD_REGISTER_MODE_${mode}`))
    const ioctls = addon.registerRange(uffd.fd, address, LENGTH, modes[0]! | modes[1]! | modes[2]!)
    for (const name of ['WAKE', 'COPY', 'WRITEPROTECT', 'CONTINUE', 'POISON']) {
      expect(ioctls & (1 << constant(`UFFD_IOCTL_${name}`)), name).not.to.equal(0)
    }
    return address
  }

  function read(timeoutMs = TIMEOUT_MS): number {
    return addon.readFaults(uffd.fd, stop, records, 0, timeoutMs)
  }

  /** One fault, as its address, flags and thread. */
  function readOne(): { address: number; flags: number; thread: number } {
    expect(read()).to.equal(1)
    return { address: records[FIRST]!, flags: records[FIRST + 1]!, thread: records[FIRST + 2]! }
  }

  function copy(address: number, mode = 0, length = PAGE): number {
    return addon.resolveCopy(uffd.fd, address, pageAligned(), length, mode)
  }

  /** The whole page inside `source`. */
  function pageAligned(): number {
    return Math.ceil(addon.addressOf(source) / PAGE) * PAGE
  }

  function entries(address = map): Uint8Array {
    const out = new Uint8Array(PAGES)
    expect(addon.pageTableEntries(address, LENGTH, out)).to.equal(0)
    return out
  }

  it('answers a missing read with a protected copy, then the store with the protection off', async () => {
    source.fill(7)
    const peeked = thread.send({ kind: 'peek', address: map + PAGE + 5 })
    expect(readOne()).to.deep.equal({ address: map + PAGE + 5, flags: 0, thread: thread.threadId })
    expect(records[1]).to.be.at.least(records[0]!)
    expect(copy(map + PAGE, constant('RESOLVE_WP'))).to.equal(PAGE)
    expect(await peeked).to.equal(7)
    expect(entries()[1]).to.equal(constant('PTE_FILE') | constant('PTE_WP'))

    const poked = thread.send({ kind: 'poke', address: map + PAGE, byte: 9 })
    expect(readOne().flags & constant('FAULT_WP')).to.equal(constant('FAULT_WP'))
    expect(addon.writeProtect(uffd.fd, map + PAGE, PAGE, 0)).to.equal(0)
    await poked
    expect(entries()[1]).to.equal(constant('PTE_FILE'))
    expect(new Uint8Array(addon.createArrayBuffer(alias + PAGE, 2))).to.deep.equal(Uint8Array.of(9, 7))
  })

  it('tells a missing write from a read', async () => {
    const touched = thread.send({ kind: 'touch', address: map, length: 1, write: true })
    expect(readOne().flags).to.equal(constant('FAULT_WRITE'))
    expect(copy(map)).to.equal(PAGE)
    expect(await touched).to.equal(0)
  })

  it('continues a minor fault, protected, and many pages in one call', async () => {
    addon.fillMemory(alias, 3, LENGTH)
    const peeked = thread.send({ kind: 'peek', address: map })
    expect(readOne().flags).to.equal(constant('FAULT_MINOR'))
    expect(addon.resolveContinue(uffd.fd, map, LENGTH, constant('RESOLVE_WP'))).to.equal(LENGTH)
    expect(await peeked).to.equal(3)
    expect(entries().every((entry) => entry === (constant('PTE_FILE') | constant('PTE_WP')))).to.equal(true)
  })

  it('protects what is mapped, and wakes nobody when asked not to', async () => {
    addon.fillMemory(alias, 1, LENGTH)
    expect(addon.resolveContinue(uffd.fd, map, LENGTH, 0)).to.equal(LENGTH)
    expect(addon.writeProtect(uffd.fd, map, LENGTH, constant('PROTECT_WP') | constant('RESOLVE_DONTWAKE'))).to.equal(0)
    let done = false
    const poked = thread.send({ kind: 'poke', address: map, byte: 2 }).then(() => (done = true))
    expect(readOne().address).to.equal(map)
    expect(addon.writeProtect(uffd.fd, map, PAGE, constant('RESOLVE_DONTWAKE'))).to.equal(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(done).to.equal(false)
    expect(addon.wakeRange(uffd.fd, map, PAGE)).to.equal(0)
    await poked
  })

  it('gives private mappings anonymous copies', async () => {
    const own = watched(false)
    source.fill(5)
    const peeked = thread.send({ kind: 'peek', address: own })
    readOne()
    expect(copy(own)).to.equal(PAGE)
    expect(await peeked).to.equal(5)
    expect(entries(own)[0]).to.equal(constant('PTE_ANON'))
    const resident = new Uint8Array(PAGES)
    expect(addon.residentPages(alias, LENGTH, resident)).to.equal(0)
    expect(resident[0]).to.equal(0)
    addon.unmap(own, LENGTH)
  })

  it('poisons: the sleeper and later accesses get an access error, until the pages are dropped', async () => {
    const touched = thread.send({ kind: 'touch', address: map, length: 1, write: false })
    readOne()
    expect(addon.resolvePoison(uffd.fd, map, 2 * PAGE, 0)).to.equal(2 * PAGE)
    expect(await touched).to.equal(-constant('EFAULT'))
    expect(addon.touchPages(map + PAGE, 1, true)).to.equal(-constant('EFAULT'))
    expect(addon.dropPages(map, 2 * PAGE)).to.equal(0)
    expect(copy(map)).to.equal(PAGE)
    expect(addon.touchPages(map, 1, true)).to.equal(0)
  })

  it('says EEXIST for a mapped page, and counts the pages before it', () => {
    expect(copy(map + 2 * PAGE)).to.equal(PAGE)
    expect(copy(map + 2 * PAGE)).to.equal(-constant('EEXIST'))
    addon.fillMemory(alias, 1, LENGTH)
    expect(addon.resolveContinue(uffd.fd, map, LENGTH, 0)).to.equal(2 * PAGE)
    expect(addon.resolveContinue(uffd.fd, map + 2 * PAGE, LENGTH - 2 * PAGE, 0)).to.equal(-constant('EEXIST'))
  })

  it('wakes the sleeper of a page somebody else mapped', async () => {
    const touched = thread.send({ kind: 'touch', address: map, length: 1, write: false })
    readOne()
    expect(copy(map, constant('RESOLVE_DONTWAKE'))).to.equal(PAGE)
    expect(copy(map, constant('RESOLVE_DONTWAKE'))).to.equal(-constant('EEXIST'))
    expect(await touched).to.equal(0)
  })

  it('reads the faults of several threads in one batch', async () => {
    const others = await Promise.all([FaultThread.start(), FaultThread.start()])
    const all = [thread, ...others]
    const touches = all.map((each, i) => each.send({ kind: 'touch', address: map + i * PAGE, length: 1, write: false }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(read()).to.equal(3)
    expect([0, 1, 2].map((i) => records[FIRST + i * SIZE + 2]!).sort()).to.deep.equal(
      all.map((each) => each.threadId).sort(),
    )
    expect([0, 1, 2].map((i) => records[FIRST + i * SIZE]!).sort()).to.deep.equal([0, 1, 2].map((i) => map + i * PAGE))
    expect(copy(map)).to.equal(PAGE)
    for (const i of [1, 2]) expect(copy(map + i * PAGE)).to.equal(PAGE)
    expect(await Promise.all(touches)).to.deep.equal([0, 0, 0])
    await Promise.all(others.map((each) => each.stop()))
  })

  it('takes no more faults than the arrays hold', async () => {
    const other = await FaultThread.start()
    const touches = [thread, other].map((each, i) =>
      each.send({ kind: 'touch', address: map + i * PAGE, length: 1, write: false }),
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let i = 0; i < 2; i++) {
      const one = new Float64Array(FIRST + SIZE)
      expect(addon.readFaults(uffd.fd, stop, one, 0, TIMEOUT_MS)).to.equal(1)
      expect(copy(one[FIRST]!)).to.equal(PAGE)
    }
    await Promise.all(touches)
    await other.stop()
  })

  it('gives 0 when time is up, not earlier', () => {
    const before = performance.now()
    expect(read(30)).to.equal(0)
    expect(performance.now() - before).to.be.at.least(29)
    expect(records[1]! - records[0]!).to.be.at.least(30e6)
    expect(read(0)).to.equal(0)
  })

  it('looks for faults for a while before it sleeps, and then for the event', async () => {
    const before = performance.now()
    expect(addon.readFaults(uffd.fd, stop, records, 1000, 20)).to.equal(0)
    expect(performance.now() - before).to.be.at.least(19)
    addon.signalEvent(stop)
    expect(addon.readFaults(uffd.fd, stop, records, 100, TIMEOUT_MS)).to.equal(-1)
    const touched = thread.send({ kind: 'touch', address: map, length: 1, write: false })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(addon.readFaults(uffd.fd, stop, records, 100, TIMEOUT_MS)).to.equal(1)
    copy(map)
    await touched
    expect(() => addon.readFaults(uffd.fd, stop, records, 1001, 0)).to.throw(RangeError, 'microseconds')
  })

  it('gives -1 while the event is signalled, before any fault', async () => {
    const touched = thread.send({ kind: 'touch', address: map, length: 1, write: false })
    addon.signalEvent(stop)
    expect(read()).to.equal(-1)
    expect(read()).to.equal(-1)
    addon.clearEvent(stop)
    addon.clearEvent(stop)
    expect(readOne().address).to.equal(map)
    copy(map)
    await touched
  })

  it('throws for a descriptor that is none', () => {
    const closed = addon.createEvent()
    addon.closeFd(closed)
    expect(() => addon.readFaults(closed, stop, records, 0, 10)).to.throw(/EBADF/)
    expect(addon.wakeRange(closed, map, PAGE)).to.equal(-constant('EBADF'))
  })

  it("unregisters: absent pages are then the kernel's", () => {
    addon.unregisterRange(uffd.fd, map, LENGTH)
    expect(addon.touchPages(map, LENGTH, true)).to.equal(0)
  })
})
