/**
 * Options are the program's code: a getter among them may unmap what the call is about. copy, fill, tryRead and
 * tryWrite had looked at the mapping before, and went on with its old address, where something else may be by then.
 * Found by the fuzzer of the API. A getter that unmaps makes the call an EBADF.
 */
import { expect } from 'chai'
import { type DaxMapping, PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

/** A buffer that unmaps when it is asked for its length. */
function unmapping(map: DaxMapping): Uint8Array {
  const view = new Uint8Array(64)
  Object.defineProperty(view, 'byteLength', {
    get: () => {
      map.unmap()
      return 64
    },
  })
  return view
}

function options(map: DaxMapping): { readonly drain: boolean } {
  return {
    get drain() {
      map.unmap()
      return true
    },
  }
}

const CALLS: Readonly<Record<string, (map: DaxMapping) => unknown>> = {
  'copy with options': (map) => map.copy(0, new Uint8Array(64), options(map)),
  'copy of a source': (map) => map.copy(0, unmapping(map)),
  fill: (map) => map.fill(0, 64, 1, options(map)),
  tryRead: (map) => map.tryRead(0, unmapping(map)),
  tryWrite: (map) => map.tryWrite(0, unmapping(map)),
}

describe('an argument that unmaps the mapping', () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it(`makes ${name} an EBADF`, function () {
      requireUserfaultfd(this)
      const pmem = mount(temporaryDirectory(), { faultWorkers: 1 })
      const map = pmem.open('a.pm', { create: true, size: 4096 }).mmap()
      expect(() => call(map))
        .to.throw(PmemError)
        .with.property('code', 'EBADF')
      pmem.close()
    })
  }
})

describe('a trace listener that throws', () => {
  it('does not keep close from closing', function () {
    requireUserfaultfd(this)
    const pool = temporaryDirectory()
    const pmem = mount(pool, { faultWorkers: 1 })
    const told: string[] = []
    pmem.on('trace', () => {
      throw new Error('the listener of the program')
    })
    pmem.on('trace', ({ name }) => told.push(name))
    new Uint8Array(pmem.open('a.pm', { create: true, size: 4096 }).mmap().buffer)[0] = 1
    expect(() => pmem.close()).to.throw('the listener of the program')
    expect(told).to.include('dax_pte_fault')
    mount(pool, { faultWorkers: 1 }).close()
  })
})
