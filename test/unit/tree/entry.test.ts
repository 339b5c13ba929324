import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import {
  EntryFlag,
  NULL_ENTRY,
  canonicalOffset,
  dataEntry,
  describeEntry,
  emptyEntry,
  isData,
  isEmpty,
  isInternal,
  isLocked,
  isNodePointer,
  isPmd,
  isSibling,
  isValue,
  isZero,
  lockedEntry,
  makeEntry,
  nodeIdOf,
  nodePointer,
  orderOf,
  pfnOf,
  siblingOf,
  unlockedEntry,
  zeroEntry,
} from '../../../lib/tree/entry.js'

const LAST_PFN = 2 ** 28 - 1

describe('entry word', () => {
  it('keeps pfn and flags apart, at both ends of the pfn range', () => {
    for (const pfn of [1, 2 ** 27 - 1, 2 ** 27, LAST_PFN]) {
      for (const pmd of [false, true]) {
        const entry = dataEntry(pfn, pmd)
        expect(entry).to.equal(entry | 0)
        expect(pfnOf(entry)).to.equal(pfn)
        expect([isData(entry), isPmd(entry), isLocked(entry)]).to.deep.equal([true, pmd, false])
        const locked = lockedEntry(entry)
        expect([pfnOf(locked), isPmd(locked), isLocked(locked)]).to.deep.equal([pfn, pmd, true])
        expect(unlockedEntry(locked)).to.equal(entry)
        expect(orderOf(locked)).to.equal(pmd ? 9 : 0)
      }
    }
  })

  it('has exactly one kind for each word', () => {
    const entries = [false, true].flatMap((pmd) => [dataEntry(LAST_PFN, pmd), zeroEntry(pmd), emptyEntry(pmd)])
    for (const entry of entries.flatMap((unlocked) => [unlocked, lockedEntry(unlocked)])) {
      const kinds = [isData, isZero, isEmpty, isInternal].filter((is) => is(entry))
      expect(kinds, describeEntry(entry)).to.have.lengthOf(1)
      expect(isValue(entry)).to.equal(true)
      expect(isNodePointer(entry) || isSibling(entry)).to.equal(false)
    }
    for (const is of [isData, isZero, isEmpty, isInternal, isValue, isLocked, isPmd]) {
      expect(is(NULL_ENTRY), is.name).to.equal(false)
    }
  })

  it('tells internal words from values and from each other', () => {
    for (const id of [1, 2 ** 27, LAST_PFN]) {
      const pointer = nodePointer(id)
      expect([isInternal(pointer), isNodePointer(pointer), isSibling(pointer)]).to.deep.equal([true, true, false])
      expect([isValue(pointer), isZero(pointer), isEmpty(pointer), isData(pointer)]).to.not.include(true)
      expect(nodeIdOf(pointer)).to.equal(id)
    }
    for (const offset of [0, 63]) {
      const sibling = siblingOf(offset)
      expect([isInternal(sibling), isNodePointer(sibling), isSibling(sibling)]).to.deep.equal([true, false, true])
      expect(isValue(sibling)).to.equal(false)
      expect(canonicalOffset(sibling)).to.equal(offset)
    }
  })

  it('is described in the words of the transition table', () => {
    expect(describeEntry(NULL_ENTRY)).to.equal('N')
    expect(describeEntry(lockedEntry(dataEntry(17, false)))).to.equal('D4+L pfn 17')
    expect(describeEntry(dataEntry(512, true))).to.equal('D2M pfn 512')
    expect(describeEntry(zeroEntry(false))).to.equal('Z4')
    expect(describeEntry(lockedEntry(zeroEntry(true)))).to.equal('Z2M+L')
    expect(describeEntry(lockedEntry(emptyEntry(false)))).to.equal('E4+L')
    expect(describeEntry(emptyEntry(true))).to.equal('E2M')
    expect(describeEntry(nodePointer(3))).to.equal('node 3')
    expect(describeEntry(siblingOf(8))).to.equal('sibling of 8')
  })

  it('refuses what does not fit', () => {
    expect(makeEntry(5, EntryFlag.Locked | EntryFlag.Pmd)).to.equal(lockedEntry(dataEntry(5, true)))
    expect(() => dataEntry(0, false)).to.throw(BugError)
    expect(() => dataEntry(2 ** 28, false)).to.throw(BugError)
    expect(() => makeEntry(-1, 0)).to.throw(BugError)
    expect(() => makeEntry(1, EntryFlag.Zero | EntryFlag.Empty)).to.throw(BugError)
    expect(() => makeEntry(1, 16)).to.throw(BugError)
  })
})
