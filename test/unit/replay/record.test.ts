import { expect } from 'chai'
import { NamedMaps } from '../../../lib/replay/named-maps.js'
import { byteRuns, runLengths } from '../../../lib/replay/record.js'

describe('replay/record', () => {
  it('writes letters as runs', () => {
    expect(runLengths('zz.d')).to.equal('z*2,.*1,d*1')
    expect(runLengths('')).to.equal('')
  })

  it('writes bytes as runs, with a step too', () => {
    expect(byteRuns(Uint8Array.of(1, 1, 2), 10)).to.deep.equal([
      [10, 2, 1],
      [12, 1, 2],
    ])
    expect(byteRuns(Uint8Array.of(9, 0, 0, 0), 0, 4096)).to.deep.equal([
      [0, 1, 9],
      [4096, 3, 0],
    ])
  })
})

describe('replay/named-maps', () => {
  it('names an address by the newest mapping it is in', () => {
    const maps = new NamedMaps()
    maps.set('m', 2 ** 40, 16384)
    maps.set('n', 2 ** 40 + 4096, 4096)
    expect([0, 4096, 8192].map((offset) => maps.address(2 ** 40 + offset))).to.deep.equal(['m+0', 'n+0', 'm+8192'])
  })

  it('names the end of a mapping, and what follows it', () => {
    const maps = new NamedMaps()
    maps.set('m', 2 ** 40, 4096)
    expect(maps.address(2 ** 40 + 4096)).to.equal('m+4096')
    expect(maps.address(2 ** 40 + 8192)).to.equal('m+8192')
    expect(maps.address(2 ** 41)).to.equal('0x20000000000')
  })

  it('names a copy by its original', () => {
    const maps = new NamedMaps()
    maps.set('m', 2 ** 40, 4096)
    maps.setAlias({ from: 2 ** 42, length: 4096, to: 2 ** 40 })
    expect([2 ** 42 + 8, 2 ** 42 + 4096].map((address) => maps.address(address))).to.deep.equal(['m+8', 'm+4096'])
    maps.setAlias(undefined)
    expect(maps.address(2 ** 42)).to.equal('0x40000000000')
  })

  it('places mappings apart', () => {
    const maps = new NamedMaps()
    const [first, second] = [maps.place(4096), maps.place(2 ** 31)]
    expect(second - first).to.be.at.least(2 ** 30 + 4096)
    expect(maps.place(1) - second).to.be.at.least(2 ** 31 + 2 ** 30)
    expect(() => maps.place(2 ** 46)).to.throw(/no room/)
  })
})
