/**
 * The tracer against store instructions one by one (native/test): on traced memory each must leave the bytes it leaves
 * on plain memory, and the records must say exactly which bytes it stored, silent stores too, lines apart, in order.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect } from 'chai'
import { addon } from '../../lib/binding/load.js'
import { type DaxMapping, type Pmem, type StoreRecorder, mount } from '../../lib/index.js'
import { projectRoot } from '../support/sources.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { Prng } from '../../lib/prng.js'
import { StoreList, type StoredBytes } from './store-list.js'

interface StoreForm {
  readonly name: string
  readonly spans: string
  readonly alignment: number
  readonly supported: boolean
}

interface StoreForms {
  storeForms(): StoreForm[]
  runStoreForm(index: number, to: number, from: number): void
}

const PAGE = 4096
const AREA = 2 * PAGE
const LINE = 64
/** Where in the area a form stores: aligned, across a line, across a page, anywhere. */
const PLACES = [0, 61, 33, PAGE - 3, PAGE - 63, 1000]

const native = createRequire(import.meta.url)(join(projectRoot, 'build/Release/store_forms.node')) as StoreForms
const forms = native.storeForms()

describe('stores of every instruction form', function () {
  this.timeout(20_000)
  let pmem: Pmem
  let map: DaxMapping
  let recorder: StoreRecorder
  let list: StoreList
  const from = new Uint8Array(256)

  before(function () {
    requireUserfaultfd(this)
    pmem = mount(temporaryDirectory(), { stores: 'traced' })
    map = pmem.open('forms.pm', { create: true, size: 4 * PAGE }).mmap()
    list = new StoreList()
    recorder = pmem.recordStores(list)
  })
  after(() => {
    pmem.close()
  })

  /** Runs of bytes stored, ascending. */
  function runsOf(stores: readonly StoredBytes[]): string {
    const stored = new Uint8Array(AREA)
    for (const { offset, bytes } of stores) stored.fill(1, offset, offset + bytes.length)
    const runs: string[] = []
    for (let start = stored.indexOf(1); start >= 0;) {
      const end = stored.indexOf(0, start)
      runs.push(`${start}:${end - start}`)
      start = stored.indexOf(1, end)
    }
    return runs.join(' ')
  }

  function expectForm(form: StoreForm, index: number, place: number): void {
    const at = Math.ceil(place / form.alignment) * form.alignment
    const before = new Uint8Array(map.buffer, 0, AREA).slice()
    const plain = before.slice()
    // The same alignment as the traced area, which starts with a page.
    const room = new Uint8Array(AREA + PAGE)
    const base = (PAGE - (addon.addressOf(room) % PAGE)) % PAGE
    room.set(plain, base)
    native.runStoreForm(index, addon.addressOf(room) + base + at, addon.addressOf(from))
    native.runStoreForm(index, map.address + at, addon.addressOf(from))
    recorder.drain()
    const { stores } = list.take()
    const what = `${form.name} at ${at}`
    const after = new Uint8Array(map.buffer, 0, AREA).slice()
    expect(Buffer.compare(after, room.subarray(base, base + AREA)), `${what}: bytes`).to.equal(0)
    const expected = form.spans
      .split(' ')
      .filter((span) => span !== '')
      .map((span) => span.split(':').map(Number) as [number, number])
      .map(([offset, length]) => `${offset + at}:${length}`)
    expect(runsOf(stores), `${what}: records`).to.equal(expected.join(' '))
    for (const { offset, bytes } of stores) {
      before.set(bytes, offset)
      expect((offset % LINE) + bytes.length, `${what}: inside one line`).to.be.at.most(LINE)
    }
    expect(Buffer.compare(before, after), `${what}: replay`).to.equal(0)
    const bypasses = /^v?movnt/.test(form.name)
    expect(
      stores.every(({ nonTemporal }) => nonTemporal === bypasses),
      `${what}: non-temporal`,
    ).to.equal(true)
  }

  for (const [index, form] of forms.entries()) {
    const title = `${form.name}${form.supported ? '' : ' (not on this CPU)'}`
    it(title, function () {
      if (!form.supported) return
      const prng = new Prng(seedFor(form.name))
      for (const place of [...PLACES, prng.below(AREA - 1200)]) {
        const pattern = Uint8Array.from({ length: AREA }, () => prng.below(256))
        map.copy(0, pattern)
        for (let i = 0; i < from.length; i++) from[i] = prng.below(256)
        recorder.drain()
        list.take()
        expectForm(form, index, place)
      }
    })
  }
})
