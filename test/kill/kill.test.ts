import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { checkAcknowledged } from './acknowledged.js'
import { killRounds } from './kill-rounds.js'
import { FileHistory, lineContent } from './line-history.js'

describe('a sync that has returned', () => {
  it('has put on media what it acknowledges, whatever other threads do meanwhile (S1.1, S1.6)', async function () {
    requireUserfaultfd(this)
    this.timeout(60_000)
    const seed = seedFor('acknowledged')
    const looked = await checkAcknowledged(temporaryDirectory('acknowledged'), { threads: 3, milliseconds: 4000, seed })
    expect(looked).to.be.greaterThan(100)
  })
})

describe('kill -9', () => {
  it('at any moment loses no acknowledged byte and invents none', async function () {
    requireUserfaultfd(this)
    this.timeout(120_000)
    const tally = await killRounds(temporaryDirectory('kill'), 24, seedFor('kill'))
    expect(tally).to.include({ rounds: 24, traced: 12, twoMounts: 8 })
    expect(tally.operations).to.be.greaterThan(200)
    expect(tally.acknowledgedLines).to.be.greaterThan(200)
  })

  describe('the check of it', () => {
    const mediaOf = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

    function history(): FileHistory {
      const made = new FileHistory()
      made.adopt(new Uint8Array(64))
      return made
    }

    it('catches a lost acknowledged line', () => {
      const made = history()
      made.change(0, 'store', lineContent(0, 1))
      expect(made.check(new Uint8Array(64))).to.have.lengthOf(0)
      made.acknowledge(0)
      expect(made.check(new Uint8Array(64))).to.have.lengthOf(1)
      expect(made.check(mediaOf(lineContent(0, 1)))).to.have.lengthOf(0)
    })

    it('catches a byte that was never stored', () => {
      const made = history()
      made.change(0, 'bulk', lineContent(0, 1))
      const media = mediaOf(lineContent(0, 1))
      media[17] = (media[17] as number) ^ 1
      expect(made.check(media)).to.have.lengthOf(1)
    })

    it('catches stores of a line out of order, and a torn word', () => {
      const made = history()
      const after = lineContent(0, 1)
      made.change(0, 'store', after)
      const prefix = new Uint8Array(64)
      prefix.set(after.subarray(0, 24))
      expect(made.check(prefix)).to.have.lengthOf(0)
      const suffix = new Uint8Array(64)
      suffix.set(after.subarray(24), 24)
      expect(made.check(suffix)).to.have.lengthOf(1)
      const torn = new Uint8Array(64)
      torn.set(after.subarray(0, 20))
      expect(made.check(torn)).to.have.lengthOf(1)
    })

    it('holds a fence to the version that was flushed', () => {
      const made = history()
      made.change(0, 'store', lineContent(0, 1))
      made.flush(0)
      made.change(0, 'store', lineContent(0, 2))
      made.fence(0)
      expect(made.check(new Uint8Array(64))).to.have.lengthOf(1)
      expect(made.check(mediaOf(lineContent(0, 1)))).to.have.lengthOf(0)
      expect(made.check(mediaOf(lineContent(0, 2)))).to.have.lengthOf(0)
    })

    it('catches a size that cannot be', () => {
      expect(history().check(new Uint8Array(128))[0]).to.match(/has 128 bytes; 64 are possible/)
    })
  })
})
