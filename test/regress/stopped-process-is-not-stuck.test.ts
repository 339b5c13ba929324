/** A process that was stopped for a while was told, when it went on, that its calls had not returned all the time. */
import { expect } from 'chai'
import { StuckThreads } from '../../lib/fault/stuck.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'
import { ThreadWord, Threads } from '../../lib/sync/threads.js'

const LIMIT_MS = 5000
const LOOK_MS = 1000

describe('a process that was stopped', () => {
  it('is not stuck for that; it is when it still makes no progress', () => {
    const words = new AtomicWords(new SharedArrayBuffer(4 * Threads.wordsFor(4)))
    const threads = new Threads(words, 0, 4)
    const at = threads.at(threads.attach(4711))
    words.store(at + ThreadWord.Progress, 1)
    const stuck = new StuckThreads(words, threads, LIMIT_MS)
    let now = 0
    const look = (after: number): string[] => stuck.look((now += after))
    expect(look(0)).to.deep.equal([])
    expect(look(10 * LIMIT_MS), 'stopped').to.deep.equal([])
    expect(look(LOOK_MS)).to.deep.equal([])
    expect(look(LOOK_MS)).to.deep.equal([])
    expect(look(LOOK_MS)).to.have.length(1)
    expect(look(LOOK_MS), 'told once').to.deep.equal([])
  })
})
