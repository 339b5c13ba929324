/** pmem.verify() finds nothing wrong with what is right, and each kind of wrong that is made here. */
import { expect } from 'chai'
import { Page } from '../../lib/constants.js'
import { grabEntry, rootOf, unlockEntry } from '../../lib/dax/grab-entry.js'
import type { Machine } from '../../lib/fault/machine.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { BugError, type DaxFile, type Pmem, mount } from '../../lib/index.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { SlotState } from '../../lib/mm/slots.js'
import { NULL_ENTRY } from '../../lib/tree/entry.js'
import { Mark } from '../../lib/tree/root.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

/** A file of 8 pages: 0 and 1 stored to, 1 synced; 3 loaded; 5 written; all of it mapped by `bytes`. */
interface Scene {
  readonly pmem: Pmem
  readonly machine: Machine
  readonly file: DaxFile
  readonly root: number
  readonly address: number
}

function scene(): Scene {
  const pmem = mount(temporaryDirectory(), { capacity: '64MiB' })
  const file = pmem.open('a', { create: true, size: 8 * Page.Size })
  const map = file.mmap()
  const bytes = new Uint8Array(map.buffer)
  bytes[Page.Size] = 1
  file.sync()
  bytes[0] = 1
  expect(bytes[3 * Page.Size]).to.equal(0)
  file.write(Buffer.alloc(100, 7), 5 * Page.Size)
  // Who loaded goes on before the last fault is over: wait for its end.
  pmem.verify()
  const machine = machineOf(pmem)
  return { pmem, machine, file, root: rootOf(machine, file.inode), address: map.address }
}

describe('K6 K43 K54 S0.8 S1.3 verify', () => {
  let at: Scene

  beforeEach(function () {
    requireUserfaultfd(this)
    at = scene()
  })

  afterEach(() => at.pmem.close())

  it('tells how much it has looked at', () => {
    const { files, entries, blocks, mappedPages, comparedPages } = at.pmem.verify()
    expect({ files, entries, blocks, mappedPages }).to.deep.equal({ files: 1, entries: 3, blocks: 3, mappedPages: 3 })
    // The one that was synced, the zero page, the one written to.
    expect(comparedPages).to.equal(3)
  })

  it('finds nothing wrong with 2 MiB pages, private copies and several files', () => {
    const huge = at.pmem.open('huge', { create: true, size: 2 * Page.PmdSize })
    const map = huge.mmap()
    new Uint8Array(map.buffer)[0] = 1
    const copy = new Uint8Array(huge.mmap({ sharing: 'private' }).buffer)
    copy[1] = 1
    expect(copy[Page.PmdSize]).to.equal(0)
    expect(at.pmem.verify()).to.include({ files: 2 })
    map.msync()
    at.pmem.verify()
    huge.truncate(Page.Size)
    at.pmem.verify()
  })

  /** make breaks something; what it returns mends it, so that close has nothing to stumble over. */
  const wrongs: [what: string, make: (scene: Scene) => () => void, message: RegExp][] = [
    [
      'K6 a locked entry',
      ({ machine, file }) => {
        const entry = grabEntry(machine, file.inode, 0, false)
        return () => unlockEntry(machine, file.inode, 0, entry)
      },
      /entry 0 \(D4\+L pfn \d+\) is locked and nobody works on it/,
    ],
    [
      'S1.3 a writable page that is not DIRTY',
      ({ machine, root, address }) => {
        const page = new Uint8Array(machine.addon.createArrayBuffer(address, 1))
        const stored = page[0] as number
        // As media has it, so that nothing but the protection tells.
        page[0] = 0
        machine.tree.clearMark(root, 0, Mark.Dirty)
        return () => {
          machine.tree.setMark(root, 0, Mark.Dirty)
          page[0] = stored
          machine.addon.detachArrayBuffer(page.buffer)
        }
      },
      /page 0 of mapping \d+, entry D4 pfn \d+, is mapped writable and not DIRTY/,
    ],
    [
      'B17 a mapped page without an entry',
      ({ machine, file, root }) => {
        machine.tree.store(root, 3, 0, NULL_ENTRY)
        return () => machine.pageTable.unmapPages(file.inode, 3, 1)
      },
      /page 3 of mapping \d+, entry N, is mapped/,
    ],
    [
      'K54 a page without its owner',
      ({ machine, file }) => {
        const pfn = file.stat().extents[0]?.pfn ?? 0
        machine.pfns.disassociate(pfn)
        return () => machine.pfns.associate(pfn, file.inode, 0)
      },
      /block \d+ of page 0: owned false/,
    ],
    [
      'S0.8 a store that no sync will write',
      ({ machine, file }) => {
        const cache = machine.inodes.number(file.inode, InodeWord.CacheBase) + Page.Size
        machine.addon.fillMemory(cache, 9, 1)
        return () => machine.addon.fillMemory(cache, 1, 1)
      },
      /line 0 of page 1 differs from media and nothing says so \(D4 pfn \d+, order 0\)/,
    ],
    [
      'K43 a writable huge page nobody knows of',
      ({ pmem, machine }) => {
        const map = pmem.open('huge', { create: true, size: Page.PmdSize }).mmap()
        machine.slots.set(map.address, SlotState.HugeWrite)
        return () => machine.slots.set(map.address, SlotState.Empty)
      },
      /huge \(inode 2\): huge page 0 of mapping \d+ has the entry N/,
    ],
    [
      'a page in use that nobody has',
      ({ machine }) => {
        const pfn = machine.pfns.allocate(0)
        return () => machine.pfns.free(pfn, 1)
      },
      /records of the pools that nobody uses/,
    ],
  ]
  for (const [what, make, message] of wrongs) {
    it(`finds ${what}`, () => {
      const mend = make(at)
      try {
        expect(() => at.pmem.verify())
          .to.throw(BugError)
          .with.property('message')
          .that.matches(message)
      } finally {
        mend()
      }
      at.pmem.verify()
    })
  }
})
