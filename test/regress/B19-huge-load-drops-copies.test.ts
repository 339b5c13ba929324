/**
 * A load that found nothing mapped in its 2 MiB waited for the entry. Meanwhile another thread stored to a page there
 * and got a private copy. The load then mapped its huge page over all of it: the copy, and the store, were gone.
 */
import { expect } from 'chai'
import { serveFault } from '../../lib/dax/fault.js'
import { grabHugeEntry, unlockEntry } from '../../lib/dax/grab-entry.js'
import { HUGE, MapFlag, PAGE, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { whileAsleep } from '../support/while-asleep.js'

describe('a 2 MiB load of a private mapping', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B19: that waited while another thread took a copy by 4 KiB does not drop the copy', () => {
    const space = new Space()
    const { machine } = space
    const file = space.file(0)
    file.write(Buffer.alloc(HUGE, 5), 0)
    expect(space.load(space.map(file, HUGE))).to.equal(5)
    const address = space.map(file, HUGE, { flags: MapFlag.Private })
    const vma = machine.vmas.acquire(address)

    const holder = { ...machine, self: machine.threads.attach(0) }
    const entry = grabHugeEntry(holder, file.inode, 0, true)
    const slept = whileAsleep(machine, () => {
      unlockEntry(holder, file.inode, 0, entry)
      expect(space.store(address + PAGE, 9)).to.equal('ok')
    })
    serveFault(machine, vma, 0, 0, true)
    machine.vmas.unuse(vma)
    expect(slept()).to.equal(true)
    expect([space.load(address + PAGE), space.load(address + PAGE + 1), space.load(address)]).to.deep.equal([9, 5, 5])
    machine.threads.detach(holder.self)
    space.close()
  })
})
