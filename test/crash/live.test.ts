/** The same patterns on real mappings: stores of plain JavaScript, traced; each image mounted and faulted in. */
import { expect, use } from 'chai'
import { type DaxMapping, type Pmem, type Region, exploreLive } from '../../lib/index.js'
import { survivePowerFailure } from '../../lib/crash/chai.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { patterns } from './patterns.js'

use(survivePowerFailure)

const SIZE = 1024
/** The memmove of libasan, which is under TypedArray.set then, stores byte by byte: there are more images. */
const STORES_ARE_OURS = !(process.env['LD_PRELOAD'] ?? '').includes('libasan')

/** The calls of a Region that patterns make, on a mapping: stores are stores. */
class MappedCalls {
  readonly #map: DaxMapping
  readonly #bytes: Uint8Array

  constructor(private readonly pmem: Pmem) {
    this.#map = pmem.open('pattern.pm', { create: true, size: SIZE }).mmap()
    this.#bytes = new Uint8Array(this.#map.buffer)
  }

  store64(offset: number, value: number): void {
    new BigUint64Array(this.#map.buffer, offset, 1)[0] = BigInt(value)
  }

  store8(offset: number, value: number): void {
    this.#bytes[offset] = value
  }

  store(offset: number, source: Uint8Array): void {
    this.#bytes.set(source, offset)
  }

  flush(offset: number, length: number): void {
    this.#map.flush(offset, length)
  }

  fence(): void {
    this.pmem.fence()
  }

  persist(offset: number, length: number): void {
    this.flush(offset, length)
    this.fence()
  }

  acknowledged(id: string): void {
    this.pmem.acknowledged(id)
  }
}

function calls(pmem: Pmem): Region {
  return new MappedCalls(pmem) as unknown as Region
}

describe('crash patterns on mappings', function () {
  this.timeout(60_000)

  before(function () {
    requireUserfaultfd(this)
  })

  for (const pattern of patterns) {
    it(`${pattern.name}: ${pattern.unique} images, ${pattern.bad} bad`, async () => {
      const { counts, findings, workload } = await exploreLive({
        setup: (pmem) => {
          calls(pmem)
          pattern.setup?.(calls(pmem))
        },
        workload: (pmem) => pattern.program(calls(pmem)),
        recover: (pmem) => Buffer.from(new Uint8Array(pmem.open('pattern.pm').mmap().buffer)),
        check: (image: Buffer, { acknowledged }) => pattern.check(image, acknowledged),
      })
      expect(workload).to.equal(undefined)
      if (STORES_ARE_OURS) expect([counts.images, counts.bad]).to.deep.equal([pattern.unique, pattern.bad])
      else expect(counts.bad > 0).to.equal(pattern.bad > 0)
      if (pattern.bad === 0) expect(findings).to.deep.equal([])
    })
  }

  it('lets recovery store, sync, make files: the next image has nothing of it', async () => {
    const workload = (pmem: Pmem): void => {
      const map = pmem.open('a.pm').mmap()
      const words = new BigUint64Array(map.buffer)
      for (const word of [0, 8, 16]) words[word] = 1n
      map.persist(0, 192)
    }
    const recover = (pmem: Pmem): string => {
      const map = pmem.open('a.pm').mmap()
      const words = new BigUint64Array(map.buffer)
      const found = [words[0], words[8], words[16], words[600], pmem.list().length].join()
      words[600] = 7n
      map.msync()
      words[600] = 0n
      map.msync()
      if (pmem.list().length === 1) pmem.open('b.pm', { create: true, size: 4096 }).close()
      pmem.unlink('b.pm')
      return found
    }
    await expect(workload).to.survivePowerFailure({
      form: 'live',
      setup: (pmem) => pmem.open('a.pm', { create: true, size: 8192 }).close(),
      recover,
      check: (found) => /^[01],[01],[01],0,1$/.test(found) || found,
    })
  })
})
