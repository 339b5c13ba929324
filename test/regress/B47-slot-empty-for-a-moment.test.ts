/** A sync protects a huge page while MADV_DONTNEED drops it: at no moment may the slot look empty to the drop. */
import { expect } from 'chai'
import { Page } from '../../lib/constants.js'
import { SlotState, Slots } from '../../lib/mm/slots.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'
import { ExtentPool } from '../../lib/tree/extent-pool.js'
import { ExtentTree } from '../../lib/tree/extent-tree.js'

const SLOTS = 2
const POOL = 8
const ADDRESS = 8 * Page.PmdSize

/** Runs something whenever the slot lock becomes free. */
class WatchedWords extends AtomicWords {
  onFree: () => void = () => undefined

  override exchange(at: number, value: number): number {
    const before = super.exchange(at, value)
    if (at === SLOTS + 1 && value === 0) this.onFree()
    return before
  }
}

describe('a huge page that loses write access', () => {
  it('B47: is dropped by who comes at any moment of it, and stays dropped', () => {
    const buffer = new SharedArrayBuffer((POOL + ExtentPool.wordsFor(16)) * 4)
    const words = new WatchedWords(buffer)
    new ExtentPool(words, POOL, 16).initialise()
    const slotsOf = (view: AtomicWords): Slots => {
      return new Slots(view, new ExtentTree(view, new ExtentPool(view, POOL, 16), true), SLOTS)
    }
    const [slots, others] = [slotsOf(words), slotsOf(new AtomicWords(buffer))]
    let moments = 1
    for (let moment = 1; moment <= moments; moment++) {
      slots.set(ADDRESS, SlotState.HugeWrite)
      let seen = 0
      words.onFree = () => {
        if (++seen === moment) others.dropHuge(ADDRESS, Page.PmdSize, () => undefined)
      }
      slots.protectHuge(ADDRESS, Page.PmdSize)
      words.onFree = () => undefined
      moments = Math.max(moments, seen)
      expect(others.get(ADDRESS), `moment ${moment}`).to.equal(SlotState.Empty)
    }
  })
})
