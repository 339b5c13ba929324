/**
 * 1. A fault worker becomes a user of mapping M and takes a lock, then throws: the mount is dead.
 * 2. The program calls close(): unmapping M waits for its users to go, dropping the inode waits for the lock.
 * 3. Waiting on a dead mount is EIO.
 *
 * Failed by: close() threw EIO half-way; descriptors, address space and the lock of the pool stayed until the process
 * ended, and the buffer of M could still be used.
 */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { HeaderWord } from '../../lib/fault/machine.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { VmaWord } from '../../lib/mm/vma.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const DEAD = 2

describe('regress: close of a mount whose handler died holding things', () => {
  it('takes everything down', function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    const map = pmem.open('a.pm', { create: true, size: 8192 }).mmap()
    const { words, vmas } = machineOf(pmem)
    words.add(vmas.at(1) + VmaWord.Users, 1)
    words.store(HeaderWord.Inodes, 1)
    words.store(HeaderWord.State, DEAD)
    const { root } = pmem
    pmem.close()
    expect(map.buffer.byteLength).to.equal(0)
    mount(root).close()
  })
})
