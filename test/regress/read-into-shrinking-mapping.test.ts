/**
 * read(2) into a mapping of a file that another thread truncates: the copy fails because the page is past the end,
 * and by the time the reason was looked for the file had grown again. The buffer was fine then, so the source was
 * blamed: EIO instead of EFAULT. Found by `faultline stress --workload collision`.
 */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { ErrorNumber } from '../../lib/errors.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { readBytes } from '../../lib/fs/read-write.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('read into a page that was past the end for a moment', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  for (const cached of [true, false]) {
    it(`is EFAULT, not EIO (source ${cached ? 'in the cache' : 'on media'})`, () => {
      const pool = temporaryDirectory()
      const first = mount(pool, { capacity: '16MiB' })
      first.open('a', { create: true, size: 4096 }).write(Buffer.alloc(4096, 1), 0)
      first.close()

      using pmem = mount(pool, { capacity: '16MiB' })
      const file = pmem.open('a')
      if (cached) new Uint8Array(file.mmap().buffer)[0] = 1
      const machine = machineOf(pmem)
      const buffer = new Uint8Array(4096)
      // The copy meets the end of the buffer's file; whoever looks afterwards finds nothing wrong with it.
      const addon = Object.assign(Object.create(machine.addon) as typeof machine.addon, {
        copyMemory: () => -ErrorNumber.EFAULT,
      })
      const read = readBytes({ ...machine, addon }, file.inode, machine.addon.addressOf(buffer), 4096, 0)
      expect(read).to.equal(-ErrorNumber.EFAULT)
    })
  }
})
