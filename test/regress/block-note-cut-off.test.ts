/**
 * The note of blocks without data was written over the old one: a kill in between left neither, and with it went what
 * fsync had acknowledged, that stores to these blocks need no space (`test:kill` met it as FAULTLINE_DAMAGED_NOTE).
 */
import { linkSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('regress: the note of blocks without data', () => {
  it('is replaced, never written over: the old one is whole until the new one is', function () {
    requireUserfaultfd(this)
    const pool = new Pool()
    const file = pool.holes(8)
    file.fallocate({ offset: 0, length: PAGE })
    file.sync()
    const note = join(pool.path, '.faultline/blocks/a.pm')
    const [before, old] = [readFileSync(note, 'utf8'), join(pool.path, 'old')]
    // A second name keeps the old file; one that is written over would be refused, or change under both.
    linkSync(note, old)
    file.fallocate({ offset: 4 * PAGE, length: PAGE })
    file.sync()
    expect(readFileSync(old, 'utf8')).to.equal(before)
    expect(readFileSync(note, 'utf8')).not.to.equal(before)
    expect(statSync(note).ino).not.to.equal(statSync(old).ino)
    pool.close()
  })
})
