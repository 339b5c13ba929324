/**
 * 1. The pool has a file with data; a program opens it.
 * 2. A stranger truncates the media file on the host.
 * 3. The program calls read() for bytes past the new end.
 *
 * Failed by: EFAULT, "bad address", as if the program's buffer were to blame. The guarded copy reports both sides
 * alike.
 */
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('regress: media cut short by a stranger', () => {
  it('is EIO to read', function () {
    requireUserfaultfd(this)
    const pool = temporaryDirectory()
    writeFileSync(join(pool, 'a.pm'), Buffer.alloc(8192, 7))
    const pmem = mount(pool)
    const file = pmem.open('a.pm')
    truncateSync(join(pool, 'a.pm'), 4096)
    expect(() => file.read(Buffer.alloc(8), 4096)).to.throw(PmemError, /^EIO/)
    expect(file.read(Buffer.alloc(8), 0)).to.equal(8)
    pmem.close()
  })
})
