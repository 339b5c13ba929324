import { expect } from 'chai'
import type { Userfaultfd } from '../../../lib/binding/addon.js'
import { addon } from '../../../lib/binding/load.js'
import { MailboxPort } from '../../../lib/fault/fault-port.js'
import { FaultThread } from '../../support/fault-thread.js'
import { requireUserfaultfd } from '../../support/require-uffd.js'

const PAGE = 4096
const PAGES = 4
const WAIT_MS = 5000
const MOMENT_MS = 30

function constant(name: string): number {
  return addon.constants[name] as number
}

describe('the port of a fault worker', () => {
  let uffd: Userfaultfd
  let stop: number
  let memfd: number
  let map: number
  let port: MailboxPort
  let threads: FaultThread[]

  before(async function () {
    requireUserfaultfd(this)
    threads = await Promise.all([FaultThread.start(), FaultThread.start()])
  })

  after(async () => {
    await Promise.all(threads.map((thread) => thread.stop()))
  })

  beforeEach(() => {
    uffd = addon.openUserfaultfd()
    stop = addon.createEvent()
    memfd = addon.createMemfd('port-test', PAGES * PAGE)
    const protection = constant('PROT_READ') | constant('PROT_WRITE')
    const alias = addon.mapFile(memfd, 0, PAGES * PAGE, protection, true)
    addon.fillMemory(alias, 7, PAGES * PAGE)
    addon.unmap(alias, PAGES * PAGE)
    map = addon.mapFile(memfd, 0, PAGES * PAGE, protection, true)
    addon.registerRange(uffd.fd, map, PAGES * PAGE, constant('UFFD_REGISTER_MODE_MINOR'))
    port = new MailboxPort(addon, uffd.fd, stop, 64)
  })

  afterEach(() => {
    addon.unmap(map, PAGES * PAGE)
    for (const fd of [memfd, stop, uffd.fd]) addon.closeFd(fd)
  })

  /** Both threads load a page each; their faults are read. Return: who is through by now, and when all are. */
  async function bothFault(): Promise<{ through: number[]; all: Promise<unknown> }> {
    const through: number[] = []
    const all = Promise.all(
      threads.map(async (thread, i) => {
        expect(await thread.send({ kind: 'peek', address: map + 2 * i * PAGE })).to.equal(7)
        through.push(i)
      }),
    )
    await moment()
    let faults = 0
    while (faults < 2) faults += port.next(0, WAIT_MS)
    return { through, all }
  }

  const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, MOMENT_MS))

  it('wakes at once who waits for a page that is answered', async () => {
    const { through, all } = await bothFault()
    expect(port.continuePage(map, 0)).to.equal(PAGE)
    await moment()
    expect(through).to.deep.equal([0])
    expect(port.continuePage(map + 2 * PAGE, 0)).to.equal(PAGE)
    await all
  })

  it('holds the wake-up of an answer until a later one, which may read ahead', async () => {
    const { through, all } = await bothFault()
    port.holdWake = true
    expect(port.continuePage(map, 0)).to.equal(PAGE)
    await moment()
    expect(through).to.deep.equal([])
    port.holdWake = false
    port.readAhead = true
    expect(port.continuePage(map + 2 * PAGE, 0)).to.equal(PAGE)
    await all
    expect(through).to.have.members([0, 1])
  })

  it('gives held wake-ups without an answer, and to nobody whose page is not answered', async () => {
    const { through, all } = await bothFault()
    port.holdWake = true
    expect(port.continuePage(map, 0)).to.equal(PAGE)
    port.wakeHeld()
    await moment()
    expect(through).to.deep.equal([0])
    port.wakeHeld()
    expect(port.continuePage(map + 2 * PAGE, 0)).to.equal(PAGE)
    await all
  })

  it('gives them when the last answer fails', async () => {
    const { through, all } = await bothFault()
    port.holdWake = true
    expect(port.continuePage(map, 0)).to.equal(PAGE)
    port.holdWake = false
    expect(port.continuePage(map + PAGES * PAGE, 0)).to.be.below(0)
    await moment()
    expect(through).to.deep.equal([0])
    expect(port.continuePage(map + 2 * PAGE, 0)).to.equal(PAGE)
    await all
  })
})
