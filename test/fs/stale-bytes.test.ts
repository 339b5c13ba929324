/**
 * No byte of another file, or of a former life of this one, is ever visible: in holes, tails, new or reused blocks; by
 * loads, read(), on media, after a power failure and after a remount. Every life of a file stores a byte of its own.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Prng } from '../../lib/prng.js'
import { type DaxFile, type DaxMapping, type Pmem, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096
/** Little enough that blocks are reused all the time. */
const CAPACITY_PAGES = 96
const FILE_PAGES = 48
const NAMES = ['a.pm', 'b.pm', 'c.pm'] as const
const STEPS = Number(process.env['STALE_STEPS'] ?? 300)
const LIVES = 255

interface Life {
  readonly tag: number
  readonly file: DaxFile
  readonly map: DaxMapping
}

class Run {
  #pmem: Pmem
  readonly #lives = new Map<string, Life>()
  #nextTag = 1

  constructor(
    readonly pool: string,
    readonly prng: Prng,
  ) {
    this.#pmem = this.#mount()
  }

  #mount(): Pmem {
    return mount(this.pool, { capacity: CAPACITY_PAGES * PAGE, watchdog: 0 })
  }

  #open(name: string, tag: number): Life {
    const file = this.#pmem.open(name, { create: true, maxSize: FILE_PAGES * PAGE })
    const life = { tag, file, map: file.mmap({ length: FILE_PAGES * PAGE }) }
    this.#lives.set(name, life)
    return life
  }

  /** A new life when there is none. 0 is what nobody stored; tags come round when they are used up. */
  lifeOf(name: string): Life {
    const tag = ((this.#nextTag - 1) % LIVES) + 1
    const life = this.#lives.get(name)
    if (life !== undefined) return life
    this.#nextTag++
    return this.#open(name, tag)
  }

  step(): void {
    const { prng } = this
    const name = NAMES[prng.below(NAMES.length)] as string
    const { file, map, tag } = this.lifeOf(name)
    const at = prng.below(FILE_PAGES * PAGE)
    const length = 1 + prng.below(prng.below(2) === 0 ? PAGE : 12 * PAGE)
    const rest = Math.min(length, FILE_PAGES * PAGE - at)
    this.#tolerate(() => {
      switch (prng.below(12)) {
        case 0:
        case 1:
          file.write(Buffer.alloc(rest, tag), at)
          break
        case 2:
        case 3:
          map.tryWrite(at, Buffer.alloc(Math.min(rest, Math.max(0, file.size - at)), tag))
          break
        case 4:
          file.truncate(at)
          break
        case 5:
          file.fallocate({ offset: at, length: rest })
          break
        case 6:
          file.fallocate({ mode: 'punch', offset: at, length: rest })
          break
        case 7:
          file.fallocate({ mode: 'zero', offset: at, length: rest })
          break
        case 8:
          file.sync()
          break
        case 9:
          this.#pmem.unlink(name)
          map.unmap()
          file.close()
          this.#lives.delete(name)
          break
        case 10:
          this.#pmem.crash({ survive: 'random', seed: prng.below(2 ** 30) })
          break
        default:
          if (prng.below(4) === 0) this.remount()
      }
    })
  }

  /** No space is no error of the run. */
  #tolerate(call: () => void): void {
    try {
      call()
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      if (!['ENOSPC', 'EIO', 'EFBIG', 'EINVAL'].includes(String(error.code))) throw error
    }
  }

  remount(): void {
    const tags = [...this.#lives].map(([name, { tag }]) => [name, tag] as const)
    this.#pmem.close()
    for (const [name, tag] of tags) this.#expectOwn(readFileSync(join(this.pool, name)), tag, `media of ${name}`)
    this.#pmem = this.#mount()
    this.#lives.clear()
    for (const [name, tag] of tags) this.#open(name, tag)
  }

  check(): void {
    for (const [name, { file, map, tag }] of this.#lives) {
      const { size } = file
      // The whole last page: its tail is read too.
      const whole = Math.min(Math.ceil(size / PAGE), FILE_PAGES) * PAGE
      const loaded = Buffer.alloc(whole)
      if (whole > 0) map.tryRead(0, loaded)
      this.#expectOwn(loaded, tag, `loads of ${name}`)
      expect(
        loaded.subarray(size).every((byte) => byte === 0),
        `the tail of ${name}`,
      ).to.equal(true)
      const read = Buffer.alloc(size)
      expect(file.read(read, 0)).to.equal(size)
      expect(read.equals(loaded.subarray(0, size)), `read and loads of ${name}`).to.equal(true)
      this.#expectOwn(readFileSync(join(this.pool, name)), tag, `media of ${name}`)
    }
  }

  #expectOwn(bytes: Buffer, tag: number, where: string): void {
    const stale = bytes.findIndex((byte) => byte !== 0 && byte !== tag)
    if (stale < 0) return
    expect.fail(`${where}: byte ${stale} is ${bytes[stale] ?? -1}, of another life than ${tag}`)
  }

  close(): void {
    this.#pmem.close()
  }
}

describe('no stale byte is visible', function () {
  this.timeout(120_000)

  it('and one that is would be noticed', function () {
    requireUserfaultfd(this)
    const run = new Run(temporaryDirectory(), new Prng(1))
    const { file, tag } = run.lifeOf('a.pm')
    file.write(Buffer.alloc(3 * PAGE, tag), 0)
    file.sync()
    run.check()
    const media = openSync(join(run.pool, 'a.pm'), 'r+')
    writeSync(media, Uint8Array.of(tag + 1), 0, 1, 2 * PAGE + 7)
    closeSync(media)
    expect(() => {
      run.check()
    }).to.throw(/media of a\.pm: byte 8199 is 2, of another life than 1/)
    run.close()
  })

  it('whatever files lived in the blocks before, in cache, on media, after crash and remount', function () {
    requireUserfaultfd(this)
    const run = new Run(temporaryDirectory(), new Prng(seedFor('stale bytes')))
    for (let step = 0; step < STEPS; step++) {
      run.step()
      if (step % 3 === 0) run.check()
    }
    run.remount()
    run.check()
    run.close()
  })
})
