/** Lines between flush and fence (D9). */
import { expect } from 'chai'
import { Counter } from '../../../lib/stats.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import { PENDING_LINES, type SmallKernel, attachSmall, smallKernel } from '../../support/small-kernel.js'

const FILE = 1
const PAGE = 4096
const LINE = 64

describe('persist/pending-lines', () => {
  let kernel: SmallKernel
  let self: number

  beforeEach(() => {
    kernel = smallKernel()
    self = kernel.self
    kernel.media.fillPage(FILE, 0, true)
  })

  function store(line: number, byte: number): void {
    kernel.media.cacheBytes(FILE, line * LINE, LINE).fill(byte)
  }

  function flush(line: number, thread = self): number {
    return kernel.pending.flush(thread, FILE, 0, line)
  }

  function media(line: number): number {
    return kernel.media.mediaBytes(FILE, line * LINE, 1)[0] as number
  }

  it('a flush alone reaches no media; the fence brings the snapshot, not later stores', () => {
    store(3, 1)
    flush(3)
    store(3, 2)
    expect([media(3), kernel.pending.count, kernel.pending.has(FILE, 0, 3)]).to.deep.equal([0, 1, true])
    expect(kernel.pending.fence(self)).to.equal(0)
    expect([media(3), kernel.pending.count]).to.deep.equal([1, 0])
    expect(kernel.pending.fence(self), 'nothing left').to.equal(0)
  })

  it('a second flush of a line replaces its snapshot', () => {
    store(3, 1)
    flush(3)
    store(3, 2)
    flush(3)
    expect(kernel.pending.count).to.equal(1)
    kernel.pending.fence(self)
    expect(media(3)).to.equal(2)
  })

  it('a fence covers the flushes of its own thread only', () => {
    const other = attachSmall(kernel.handle)
    store(3, 1)
    store(4, 1)
    flush(3)
    flush(4, other.self)
    kernel.pending.fence(self)
    expect([media(3), media(4)]).to.deep.equal([1, 0])
    other.pending.fence(other.self)
    expect(media(4)).to.equal(1)
  })

  it('a line another thread flushes anew is evicted first: the older flush is covered by the older fence', () => {
    const other = attachSmall(kernel.handle)
    store(3, 1)
    flush(3)
    store(3, 2)
    flush(3, other.self)
    expect(media(3), 'the first snapshot').to.equal(1)
    kernel.pending.fence(self)
    expect(media(3)).to.equal(1)
    other.pending.fence(other.self)
    expect(media(3)).to.equal(2)
    expect(kernel.threads.total(Counter.LinesEvicted)).to.equal(1)
  })

  it('a flush that has to evict and cannot is an error, and changes nothing', () => {
    const other = attachSmall(kernel.handle)
    store(3, 1)
    flush(3)
    store(3, 2)
    kernel.media.failure = MEDIA_ERROR
    other.media.failure = MEDIA_ERROR
    expect(other.pending.flush(other.self, FILE, 0, 3), 'a line of another thread').to.equal(MEDIA_ERROR)
    for (let line = 4; line < 3 + PENDING_LINES; line++) expect(flush(line)).to.equal(0)
    expect(flush(40), 'a full pool').to.equal(MEDIA_ERROR)
    expect([kernel.pending.count, kernel.pending.has(FILE, 0, 40), media(3)]).to.deep.equal([PENDING_LINES, false, 0])
    kernel.media.failure = 0
    expect(kernel.pending.fence(self)).to.equal(0)
    expect(media(3), 'the older snapshot').to.equal(1)
  })

  it('a flush that cannot read the line leaves no snapshot', () => {
    store(3, 1)
    flush(3)
    kernel.media.captureLine = () => MEDIA_ERROR
    expect([flush(3), flush(4)]).to.deep.equal([MEDIA_ERROR, MEDIA_ERROR])
    expect([kernel.pending.count, kernel.pending.has(FILE, 0, 3)]).to.deep.equal([0, false])
  })

  it('a full pool writes one line early and takes the new one', () => {
    for (let line = 0; line <= PENDING_LINES; line++) {
      store(line, line + 1)
      expect(flush(line)).to.equal(0)
    }
    expect(kernel.pending.count).to.equal(PENDING_LINES)
    expect(kernel.threads.total(Counter.LinesEvicted)).to.equal(1)
    kernel.pending.fence(self)
    for (let line = 0; line <= PENDING_LINES; line++) expect(media(line)).to.equal(line + 1)
  })

  it('what a writeback wrote supersedes older snapshots, of exactly its lines', () => {
    for (const line of [2, 3, 4]) {
      store(line, 1)
      flush(line)
      store(line, 2)
    }
    const write = (): number => kernel.media.writeback(FILE, 3 * LINE, LINE, PAGE)
    expect(kernel.pending.supersede(FILE, 3 * LINE, LINE, write)).to.equal(0)
    kernel.pending.fence(self)
    expect([media(2), media(3), media(4)]).to.deep.equal([1, 2, 1])
  })

  it('a writeback that failed supersedes nothing', () => {
    store(3, 1)
    flush(3)
    expect(kernel.pending.supersede(FILE, 3 * LINE, LINE, () => MEDIA_ERROR)).to.equal(MEDIA_ERROR)
    expect(kernel.pending.count).to.equal(1)
  })

  it('a fence whose media write fails keeps those lines and says so', () => {
    store(3, 1)
    flush(3)
    kernel.media.failure = MEDIA_ERROR
    expect(kernel.pending.fence(self)).to.equal(MEDIA_ERROR)
    expect(kernel.pending.count).to.equal(1)
    kernel.media.failure = 0
    expect(kernel.pending.fence(self)).to.equal(0)
    expect(media(3)).to.equal(1)
  })

  it('drops lines wholly inside a range, of one file', () => {
    kernel.media.fillPage(2, 0, true)
    for (const line of [1, 2, 3]) flush(line)
    kernel.pending.flush(self, 2, 0, 2)
    kernel.pending.dropRange(FILE, 2 * LINE - 1, 4 * LINE - 1)
    const left = [1, 2, 3].map((line) => kernel.pending.has(FILE, 0, line))
    expect([left, kernel.pending.has(2, 0, 2)]).to.deep.equal([[true, false, true], true])
    kernel.pending.dropFrom(FILE, 0)
    expect(kernel.pending.count).to.equal(1)
    kernel.pending.fence(self)
    expect(kernel.pending.count, 'the list of the owner is whole').to.equal(0)
  })

  it('writes nothing past EOF', () => {
    store(3, 7)
    flush(3)
    kernel.inodes.setSize(FILE, 3 * LINE + 10)
    kernel.pending.fence(self)
    expect([...kernel.media.mediaBytes(FILE, 3 * LINE + 9, 2)]).to.deep.equal([7, 0])
    flush(3)
    kernel.inodes.setSize(FILE, 3 * LINE)
    store(3, 8)
    expect([kernel.pending.fence(self), kernel.pending.count]).to.deep.equal([0, 0])
    expect([...kernel.media.mediaBytes(FILE, 3 * LINE, 2)]).to.deep.equal([7, 7])
  })

  it('visits the lines of one file, each once, with a way to commit', () => {
    kernel.media.fillPage(2, 0, true)
    store(5, 9)
    flush(5)
    flush(6)
    kernel.pending.flush(self, 2, 0, 5)
    const seen: number[] = []
    kernel.pending.forEach(FILE, (pgoff, line, commit) => {
      seen.push(pgoff * 64 + line)
      commit()
    })
    expect(seen.sort()).to.deep.equal([5, 6])
    expect(media(5)).to.equal(9)
  })
})
