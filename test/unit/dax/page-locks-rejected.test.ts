/**
 * S4.2, a design that was rejected: a memory failure that locks the pages of an entry, not the entry.
 *
 * It drops the tree lock, locks the 1 or 512 pages, takes the tree lock again and checks that the entry is what it was.
 * From then on it relies on its page locks. But nobody else takes them: a truncate waits for locked entries, and a
 * fault needs a lock before there is a page (S4.4). So what was checked is true at the moment of the check, and the
 * walk over the mappings comes after it. `walkWithPageLocks` is that design down to what differs; the other, truncate
 * and faults are the real ones.
 */
import { expect } from 'chai'
import { getUnlockedEntry, lockPages, rootOf, unlockPages } from '../../../lib/dax/grab-entry.js'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import { LockedPage, lockPage, unlockPage } from '../../../lib/dax/memory-failure.js'
import { BlockState } from '../../../lib/media/block-map.js'
import { PageOwner } from '../../../lib/media/page-owners.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import { NULL_ENTRY } from '../../../lib/tree/entry.js'
import { Pte } from '../../support/model-page-table.js'
import { FILE_PAGES, type SmallKernel, entryAt, giveBlock, mapFile, smallKernel } from '../../support/small-kernel.js'
import { Actor, SIGBUS, settle } from './actor.js'

const FILE = 1
const OTHER_FILE = 2
const PAGE = 4096

/** What others do between the check and the walk. */
type Window = () => Promise<void>

/** Whom the walk over the mappings of the page found, or undefined: the page has left the file (-EBUSY). */
type Victim = { readonly inode: number; readonly pgoff: number } | undefined

function ownerOf(kernel: SmallKernel, pfn: number): Victim {
  const owner = new PageOwner()
  return kernel.pfns.ownerOf(pfn, owner) ? { inode: owner.mapping, pgoff: owner.pgoff } : undefined
}

function killAndUnmap(kernel: SmallKernel, pfn: number, { inode, pgoff }: NonNullable<Victim>): void {
  kernel.pfns.setPoison(pfn)
  kernel.pageTable.unmapPages(inode, pgoff, 1)
}

/** The rejected design. `lockedPages` are its page locks: nothing but another memory failure would look at them. */
async function walkWithPageLocks(kernel: SmallKernel, pfn: number, window: Window): Promise<Victim> {
  const lockedPages = new Set<number>()
  const victim = ownerOf(kernel, pfn)
  if (victim === undefined) return undefined
  const { inode, pgoff } = victim
  lockPages(kernel, inode)
  const seen = getUnlockedEntry(kernel, inode, pgoff)
  unlockPages(kernel, inode)
  lockedPages.add(pfn)
  lockPages(kernel, inode)
  const unchanged = seen !== NULL_ENTRY && kernel.tree.load(rootOf(kernel, inode), pgoff) === seen
  unlockPages(kernel, inode)
  if (!unchanged) return undefined
  await window()
  expect(lockedPages.has(pfn), 'held all the time').to.equal(true)
  killAndUnmap(kernel, pfn, victim)
  return victim
}

/** The accepted one (S4.3), as memoryFailure does it, with a window in the same place. */
async function walkWithEntryLock(kernel: SmallKernel, pfn: number, window: Window): Promise<Victim> {
  const page = new LockedPage()
  if (!lockPage(kernel, pfn, page)) return undefined
  const { inode, pgoff } = page
  await window()
  killAndUnmap(kernel, pfn, { inode, pgoff })
  unlockPage(kernel, page)
  return { inode, pgoff }
}

describe('dax: memory failure that locks pages (rejected)', () => {
  let kernel: SmallKernel
  let vma: number
  let pfn: number
  let actors: Actor[] = []

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
    pfn = giveBlock(kernel, FILE, 3, 9)
    expect(kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.equal(9)
  })

  afterEach(async () => {
    for (const actor of actors) await actor.stop()
    actors = []
  })

  async function start(): Promise<Actor> {
    const actor = await Actor.start(kernel.handle)
    actors.push(actor)
    return actor
  }

  /** What the truncate gave up is given to the other file, and mapped there. Return: that mapping. */
  function passOn(): number {
    kernel.blocks.free(kernel.inodes.at(FILE) + InodeWord.BlockRoot, 0, FILE_PAGES)
    const heir = mapFile(kernel, OTHER_FILE)
    for (let page = 0; ownerOf(kernel, pfn)?.inode !== OTHER_FILE && page < FILE_PAGES; page++) {
      kernel.blocks.allocate(kernel.inodes.at(OTHER_FILE) + InodeWord.BlockRoot, page, BlockState.Written)
      kernel.pageTable.load(kernel, heir, page * PAGE)
    }
    return heir
  }

  it('S4.2: the file loses the page to another while its mappings are walked; its users are not told', async () => {
    const truncate = await start()
    let heir = 0
    const victim = await walkWithPageLocks(kernel, pfn, async () => {
      await truncate.run({ kind: 'delete', inode: FILE, first: 0, last: FILE_PAGES - 1 })
      heir = passOn()
    })
    const owner = ownerOf(kernel, pfn)
    expect(victim, 'who was killed').to.deep.equal({ inode: FILE, pgoff: 3 })
    expect(owner?.inode, 'whose page it was').to.equal(OTHER_FILE)
    expect(kernel.pfns.isPoisoned(pfn), 'bad').to.equal(true)
    expect(kernel.pageTable.pte(heir, owner?.pgoff as number), 'and mapped').not.to.equal(Pte.Absent)
  })

  it('S4.3: with the entry locked the truncate waits, and frees a page that is known to be bad', async () => {
    const truncate = await start()
    let deleted: Promise<number> = Promise.resolve(0)
    const victim = await walkWithEntryLock(kernel, pfn, async () => {
      deleted = truncate.run({ kind: 'delete', inode: FILE, first: 0, last: FILE_PAGES - 1 })
      await settle()
      expect([truncate.finished, ownerOf(kernel, pfn)]).to.deep.equal([0, { inode: FILE, pgoff: 3 }])
    })
    expect(victim).to.deep.equal({ inode: FILE, pgoff: 3 })
    expect(kernel.pageTable.pte(vma, 3)).to.equal(Pte.Absent)
    expect(await deleted, 'and then goes on').to.equal(1)
  })

  it('S4.2, S4.4: a fault that began after the check maps the bad page behind the walk', async () => {
    const fault = await start()
    const other = mapFile(kernel, FILE)
    let load: Promise<number> = Promise.resolve(0)
    await walkWithPageLocks(kernel, pfn, async () => {
      ;({ done: load } = await fault.runToPause({ kind: 'load', vma: other, offset: 3 * PAGE, pauseAt: 'map' }))
    })
    fault.release()
    expect(await load, 'no SIGBUS').to.equal(9)
    expect(kernel.pfns.isPoisoned(pfn) && kernel.pageTable.pte(other, 3) !== Pte.Absent).to.equal(true)
  })

  it('S4.3, S4.4: with the entry locked the fault waits, and finds the page bad', async () => {
    const fault = await start()
    const other = mapFile(kernel, FILE)
    let load: Promise<number> = Promise.resolve(0)
    await walkWithEntryLock(kernel, pfn, async () => {
      load = fault.run({ kind: 'load', vma: other, offset: 3 * PAGE })
      await settle()
      expect(fault.finished).to.equal(0)
    })
    expect(await load).to.equal(SIGBUS)
    expect(entryAt(kernel, FILE, 3), 'value and lock as before').to.equal(`D4 pfn ${pfn}`)
    expect(deleteEntries(kernel, FILE, 3, 3)).to.equal(1)
  })
})
