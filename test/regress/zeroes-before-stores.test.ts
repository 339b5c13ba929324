/**
 * 1. A line is durable; bytes are stored to it, and not synced.
 * 2. Other bytes of the same line are punched, or cut off by a truncate and the file made longer again.
 * 3. The power fails.
 *
 * Failed by: the old line with the new zeroes, which it never was: zeroes went to media past the stores that had been
 * made before. Stores to one line reach media in their order (D9). Found by test/inject.
 */
import { expect } from 'chai'
import { type DaxFile, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const CALLS: readonly [name: string, call: (file: DaxFile) => void][] = [
  ['punch', (file) => file.fallocate({ mode: 'punch', offset: 32, length: 64 })],
  ['zero range', (file) => file.fallocate({ mode: 'zero', offset: 32, length: 64 })],
  [
    'truncate',
    (file) => {
      file.truncate(32)
      file.truncate(4096)
    },
  ],
]

describe('regress: zeroes that reached media before stores to the same line', () => {
  for (const [name, call] of CALLS) {
    it(`K100, K101 ${name}: a line is as it once was`, function () {
      requireUserfaultfd(this)
      using pmem = mount(temporaryDirectory())
      const file = pmem.open('a.pm', { create: true })
      file.write(Buffer.alloc(4096, 1), 0)
      file.sync()
      const line = (first: number, rest: number): string =>
        Buffer.concat([Buffer.alloc(32, first), Buffer.alloc(32, rest)]).toString('hex')
      const map = file.mmap()
      new Uint8Array(map.buffer, 0, 64).fill(2)
      call(file)
      pmem.crash()
      const found = Buffer.from(map.tryRead(0, 64)).toString('hex')
      expect(found).to.be.oneOf([line(1, 1), line(2, 2), line(2, 0)])
    })
  }
})
