/**
 * 1. A Worker is terminated inside close(): it has closed the descriptors of a file, and the file still counts as open.
 * 2. Main closes, the last one: it closes what is left of each file, and then gives the pool back.
 *
 * Failed by: EBADF in step 2, and EBUSY for who mounts the pool next (`fs/ends`, 'a Worker while closing', on Node 26).
 */
import { mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: a thread that was terminated while it dropped a file', () => {
  for (const [name, word] of [
    ['cache', InodeWord.CacheFd],
    ['media', InodeWord.MediaFd],
  ] as const) {
    it(`leaves a pool that can be mounted: ${name}`, function () {
      requireUserfaultfd(this)
      const pmem = mount(temporaryDirectory())
      const { inode } = pmem.open('a.pm', { create: true, size: 4096 })
      const { addon, inodes, words } = machineOf(pmem)
      // The reference is the Worker's: main's own last close leaves the file to the unmount.
      words.add(inodes.at(inode) + InodeWord.References, 1)
      addon.closeFd(inodes.word(inode, word))
      pmem.close()
      mount(pmem.root).close()
    })
  }
})
