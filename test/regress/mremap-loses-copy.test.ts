/** mremap right after the first store to a private mapping left the copy behind: its page table was not noted yet. */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { MapFlag, Prot } from '../../lib/fs/vm/abi.js'
import { vmMmap, vmMunmap } from '../../lib/fs/vm/map.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const ROUNDS = 300

describe('mremap of a private mapping', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('takes the copy along that was made just before', () => {
    const pool = new Pool({ faultWorkers: 1 })
    const file = pool.holes(8)
    const machine = machineOf(pool.pmem)
    const behind = { inode: file.inode, access: 'r', offset: 0, length: PAGE, prot: Prot.None, file: 1 } as const
    for (let round = 0; round < ROUNDS; round++) {
      const mapping = file.mmap({ length: PAGE, sharing: 'private' })
      mapping.tryWrite(0, Uint8Array.of(7))
      const flags = MapFlag.Private | MapFlag.FixedNoReplace
      const blocker = vmMmap(machine, { ...behind, flags, address: mapping.address + PAGE })
      mapping.mremap(3 * PAGE)
      vmMunmap(machine, blocker, PAGE)
      expect(mapping.tryRead(0, 1)[0]).to.equal(7)
      mapping.unmap()
    }
    pool.close()
  })
})
