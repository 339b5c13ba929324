import { expect } from 'chai'
import { bitmapWords, clearBits, countBits, firstClearBit, setBits, testBit } from '../../../lib/media/bitmap.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'

const BITS = 100
const BASE = 3

function freshWords(): AtomicWords {
  return new AtomicWords(new SharedArrayBuffer(4 * (BASE + bitmapWords(BITS) + 1)))
}

describe('media/bitmap', () => {
  it('sizes by whole words', () => {
    expect([0, 1, 32, 33, 64].map(bitmapWords)).to.deep.equal([0, 1, 1, 2, 2])
  })

  it('sets, counts, finds and clears every range, touching nothing outside', () => {
    for (let first = 0; first < BITS; first++) {
      for (let end = first + 1; end <= BITS; end += 7) {
        const words = freshWords()
        setBits(words, BASE, first, end)
        for (let bit = 0; bit < BITS; bit++) {
          expect(testBit(words, BASE, bit), `${bit} of ${first}..${end}`).to.equal(bit >= first && bit < end)
        }
        expect(countBits(words, BASE, 0, BITS)).to.equal(end - first)
        expect(countBits(words, BASE, first, end)).to.equal(end - first)
        expect(firstClearBit(words, BASE, first, end)).to.equal(-1)
        expect(firstClearBit(words, BASE, first, BITS)).to.equal(end < BITS ? end : -1)
        clearBits(words, BASE, first, end)
        expect(countBits(words, BASE, 0, BITS)).to.equal(0)
        expect(words.get(BASE - 1)).to.equal(0)
        expect(words.get(BASE + bitmapWords(BITS))).to.equal(0)
      }
    }
  })
})
