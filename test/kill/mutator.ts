/**
 * One thread of a kill test's child: random operations on lines of its own, each noted in the journal before it is done
 * and again when its promise holds. Threads own every nth line, so they share pages, entries and faults, but no line.
 */
import type { DaxFile, DaxMapping, Pmem } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import type { Journal } from './journal.js'
import { LINE_BYTES, lineContent } from './line-history.js'

const PAGE = 4096
const LINES_PER_PAGE = PAGE / LINE_BYTES
export const FILE_NAME = 'kill.pm'
export const FILE_PAGES = 48

export interface MutatorOptions {
  readonly seed: number
  /** This thread's number, and how many there are. */
  readonly thread: number
  readonly threads: number
}

interface Window {
  readonly mapping: DaxMapping
  readonly words: BigUint64Array
  readonly first: number
}

export class Mutator {
  readonly #prng: Prng
  readonly #pmem: Pmem
  readonly #journal: Pick<Journal, 'note'>
  readonly #options: MutatorOptions
  #file: DaxFile
  #windows: Window[] = []
  #serial = 0
  /** Lines written by write(2) since the last sync. */
  #written = new Set<number>()
  #flushed = new Set<number>()

  constructor(pmem: Pmem, journal: Pick<Journal, 'note'>, options: MutatorOptions) {
    this.#pmem = pmem
    this.#journal = journal
    this.#options = options
    this.#prng = new Prng(options.seed * 64 + options.thread)
    this.#file = this.#open()
    this.#remap()
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.#step()
  }

  #step(): void {
    const alone = this.#options.threads === 1
    const steps: [weight: number, step: () => void][] = [
      [8, () => this.#store()],
      [4, () => this.#msync()],
      [4, () => this.#persist()],
      [3, () => this.#flush()],
      [3, () => this.#fence()],
      [4, () => this.#write()],
      [2, () => this.#sync()],
      [1, () => this.#remap()],
      [1, () => this.#reopen()],
      [alone ? 2 : 0, () => this.#punch()],
      [alone ? 2 : 0, () => this.#truncate()],
    ]
    let draw = this.#prng.below(steps.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, step] of steps) {
      if (draw < weight) {
        step()
        return
      }
      draw -= weight
    }
  }

  #open(): DaxFile {
    return this.#pmem.open(FILE_NAME, { create: true, size: FILE_PAGES * PAGE, maxSize: '4MiB' })
  }

  /** Two windows, which may overlap: the same line is stored to through either. */
  #remap(): void {
    for (const { mapping } of this.#windows) mapping.unmap()
    this.#windows = [0, 1].map(() => {
      const first = this.#prng.below(FILE_PAGES - 1)
      const pages = 1 + this.#prng.below(FILE_PAGES - first)
      const mapping = this.#file.mmap({ offset: first * PAGE, length: pages * PAGE })
      return { mapping, words: new BigUint64Array(mapping.buffer), first: first * LINES_PER_PAGE }
    })
  }

  /** Mappings outlive the close. */
  #reopen(): void {
    const { size } = this.#file
    this.#file.close()
    this.#file = this.#open()
    if (this.#file.size !== size) throw new Error(`reopened with ${this.#file.size} bytes, had ${size}`)
  }

  #window(): Window {
    return this.#windows[this.#prng.below(this.#windows.length)] as Window
  }

  /** A few lines of this thread inside the window and the file, ascending. */
  #draw(window: Window): number[] {
    const { threads, thread } = this.#options
    const end = Math.min(window.first + window.mapping.byteLength / LINE_BYTES, this.#file.size / LINE_BYTES)
    if (end <= window.first) return []
    const lines = new Set<number>()
    const near = window.first + this.#prng.below(end - window.first)
    for (let i = this.#prng.below(12); i >= 0; i--) {
      const anywhere = this.#prng.chance(0.3) ? window.first + this.#prng.below(end - window.first) : near + i
      if (anywhere < end && anywhere % threads === thread) lines.add(anywhere)
    }
    return [...lines].sort((a, b) => a - b)
  }

  #store(window = this.#window()): number[] {
    const lines = this.#draw(window)
    const serial = ++this.#serial
    this.#journal.note({ op: 'store', lines, serial })
    // A sync of other pages covers what write(2) wrote, not what was stored over it since: another thread's sync may
    // have taken the former alone.
    for (const line of lines) this.#written.delete(line)
    for (const line of lines) {
      const content = new BigUint64Array(lineContent(line, serial).buffer)
      const at = (line - window.first) * content.length
      for (let word = 0; word < content.length; word++) window.words[at + word] = content[word] as bigint
    }
    return lines
  }

  #msync(): void {
    const { mapping, first } = this.#window()
    const pages = mapping.byteLength / PAGE
    const from = this.#prng.below(pages)
    const count = 1 + this.#prng.below(pages - from)
    mapping.msync(from * PAGE, count * PAGE)
    const start = first + from * LINES_PER_PAGE
    this.#synced(this.#mine(start, start + count * LINES_PER_PAGE))
  }

  #sync(): void {
    if (this.#prng.chance(0.5)) this.#file.sync()
    else this.#file.datasync()
    this.#synced(this.#mine(0, this.#file.size / LINE_BYTES))
  }

  /** Every sync of the file covers what write(2) wrote, wherever it was. */
  #synced(lines: readonly number[]): void {
    const all = new Set([...lines, ...this.#written])
    this.#journal.note({ op: 'synced', lines: [...all] })
    for (const line of all) this.#flushed.delete(line)
    this.#written.clear()
  }

  #mine(from: number, to: number): number[] {
    const lines: number[] = []
    for (let line = from; line < to; line++) if (line % this.#options.threads === this.#options.thread) lines.push(line)
    return lines
  }

  #persist(): void {
    const window = this.#window()
    const lines = this.#store(window)
    const first = lines[0]
    const last = lines.at(-1)
    if (first === undefined || last === undefined) return
    for (const line of lines) window.mapping.flush((line - window.first) * LINE_BYTES, LINE_BYTES)
    this.#journal.note({ op: 'flushed', lines })
    for (const line of lines) this.#flushed.add(line)
    this.#fence()
  }

  #flush(): void {
    const window = this.#window()
    const lines = this.#draw(window)
    for (const line of lines) {
      // Any byte of a line flushes the line.
      const offset = (line - window.first) * LINE_BYTES + this.#prng.below(LINE_BYTES)
      window.mapping.flush(offset, 1)
      this.#flushed.add(line)
    }
    this.#journal.note({ op: 'flushed', lines })
  }

  #fence(): void {
    this.#pmem.fence()
    this.#journal.note({ op: 'fenced', lines: [...this.#flushed] })
    this.#flushed.clear()
  }

  /** write(2): neighbouring lines when alone, one of its own otherwise. May grow the file. */
  #write(): void {
    const { threads, thread } = this.#options
    const alone = threads === 1
    const start = this.#prng.below(FILE_PAGES * LINES_PER_PAGE - 32)
    const first = start - (start % threads) + thread
    const lines = Array.from({ length: alone ? 1 + this.#prng.below(32) : 1 }, (_, i) => first + i)
    const serial = ++this.#serial
    const end = (first + lines.length) * LINE_BYTES
    const grows = end > this.#file.size
    if (grows) this.#journal.note({ op: 'resize', size: end })
    this.#journal.note({ op: 'write', lines, serial })
    const bytes = Buffer.concat(lines.map((line) => lineContent(line, serial)))
    const written = this.#file.write(bytes, first * LINE_BYTES)
    if (written !== bytes.length) throw new Error(`wrote ${written} of ${bytes.length}`)
    if (grows) this.#journal.note({ op: 'resized', size: end })
    for (const line of lines) this.#written.add(line)
  }

  #punch(): void {
    const lines = this.#file.size / LINE_BYTES
    if (lines === 0) return
    const from = this.#prng.below(lines)
    const count = Math.min(lines - from, 1 + this.#prng.below(4 * LINES_PER_PAGE))
    const mode = this.#prng.chance(0.5) ? 'punch' : 'zero'
    this.#zeroes(this.#mine(from, from + count), () => {
      this.#file.fallocate({ mode, offset: from * LINE_BYTES, length: count * LINE_BYTES })
    })
  }

  #truncate(): void {
    const before = this.#file.size / LINE_BYTES
    const grow = before < (FILE_PAGES * LINES_PER_PAGE) / 2 || this.#prng.chance(0.3)
    const after = grow ? FILE_PAGES * LINES_PER_PAGE : this.#prng.below(before)
    this.#journal.note({ op: 'resize', size: after * LINE_BYTES })
    this.#zeroes(this.#mine(after, before), () => {
      this.#file.truncate(after * LINE_BYTES)
    })
    this.#journal.note({ op: 'resized', size: after * LINE_BYTES })
  }

  /** What was to be zero is zero on media when the call returns. */
  #zeroes(lines: readonly number[], call: () => void): void {
    this.#journal.note({ op: 'zero', lines })
    call()
    this.#journal.note({ op: 'synced', lines })
    for (const line of lines) {
      this.#written.delete(line)
      this.#flushed.delete(line)
    }
  }
}
