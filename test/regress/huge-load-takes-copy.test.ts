/**
 * B19, B29: two threads in one 2 MiB of a private mapping, the file's entry there being a 2 MiB one.
 *
 *   1. Thread A stores: 4 KiB, a private copy. Its slot is not yet noted as a table of 4 KiB pages.
 *   2. Thread B loads from another page: the slot looks empty, a 2 MiB fault is tried, and succeeds.
 *   3. What the 2 MiB had mapped before makes way for the huge page.
 *
 * Failed by: A's copy made way too. Here step 3 alone, as the fault of B does it.
 */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { mount } from '../../lib/index.js'
import { PageSource } from '../../lib/mm/page-table.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const HUGE = 2 ** 21

describe('regress: 2 MiB load against private copy (B19, B29)', () => {
  it('leaves the copy', function () {
    requireUserfaultfd(this)
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB' })
    const file = pmem.open('a', { create: true, size: HUGE })
    new Uint8Array(file.mmap().buffer)[0] = 1
    expect(file.stat().entries).to.deep.equal({ D2M: 1 })
    const map = file.mmap({ sharing: 'private' })
    const bytes = new Uint8Array(map.buffer)
    bytes[5] = 7

    const machine = machineOf(pmem)
    const vma = machine.vmas.acquire(map.address)
    machine.pageTable.mapHuge(vma, 0, PageSource.Media, false)
    machine.vmas.unuse(vma)
    expect([bytes[0], bytes[5]]).to.deep.equal([1, 7])
  })
})
