/**
 * What files and mappings are, said as simply as possible: bytes by page, and for each line that a power failure may
 * undo the versions it may have afterwards. No blocks, no entries, no page tables.
 */
import type { Protection } from '../../lib/index.js'

export const PAGE = 4096
export const LINE = 64

const NOTHING = new Uint8Array(PAGE)

export function pagesIn(bytes: number): number {
  return Math.ceil(bytes / PAGE)
}

/** The pieces of [from, to) in units of `unit` bytes: number of the unit, and where in it. */
export function* pieces(
  from: number,
  to: number,
  unit: number,
): Generator<[index: number, start: number, end: number]> {
  for (let at = from; at < to;) {
    const index = Math.floor(at / unit)
    const end = Math.min(to, (index + 1) * unit)
    yield [index, at - index * unit, end - index * unit]
    at = end
  }
}

export class ReferenceFile {
  size: number
  /** Opens and mappings. */
  users = 0
  /** Its inode has left the table since its last user went, perhaps: what was past EOF may be zero by now. */
  tailMayBeGone = false
  /** Absent is zero. Of the last page, bytes past EOF too: mappings see them. */
  #pages = new Map<number, Uint8Array>()
  /** Line → versions, oldest first; the last one is what loads see. A line that is not here is durable. */
  readonly #atRisk = new Map<number, Uint8Array[]>()
  /** Line → version that was flushed and not fenced. */
  readonly #flushed = new Map<number, Uint8Array>()

  constructor(
    public name: string | undefined,
    size: number,
  ) {
    this.size = size
  }

  get tail(): Uint8Array {
    return this.read(this.size, pagesIn(this.size) * PAGE)
  }

  read(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, to - from))
    for (const [page, start, end] of pieces(from, to, PAGE)) {
      const there = this.#pages.get(page)
      if (there !== undefined) bytes.set(there.subarray(start, end), page * PAGE + start - from)
    }
    return bytes
  }

  /** A store or a write: every line keeps its old version until it is durable. */
  put(at: number, bytes: Uint8Array): void {
    const end = at + bytes.length
    for (const [line] of pieces(at, end, LINE)) if (!this.#atRisk.has(line)) this.#atRisk.set(line, [this.#line(line)])
    this.#set(at, bytes)
    for (const [line] of pieces(at, end, LINE)) this.#atRisk.get(line)?.push(this.#line(line))
  }

  /** Zeroes that are durable at once, whatever becomes of the rest of their lines. */
  zero(from: number, to: number): void {
    for (const [page, start, end] of pieces(from, to, PAGE)) this.#pages.get(page)?.fill(0, start, end)
    for (const [line, versions] of this.#atRisk) {
      const start = Math.max(from, line * LINE) - line * LINE
      const end = Math.min(to, (line + 1) * LINE) - line * LINE
      if (start < end) for (const version of versions) version.fill(0, start, end)
    }
  }

  truncate(size: number): void {
    if (size <= this.size) {
      this.zero(size, Math.max(this.size, pagesIn(this.size) * PAGE))
      this.size = size
    } else this.extend(size, false)
  }

  /** keepTail: what was stored past EOF becomes part of the file, and nothing of it is durable. */
  extend(size: number, keepTail: boolean): void {
    if (size <= this.size) return
    const tail = this.tail
    const tailStart = this.size
    this.zero(this.size, this.size + tail.length)
    this.size = size
    if (keepTail && tail.some((byte) => byte !== 0)) this.put(tailStart, tail)
  }

  /** Collapse (negative) or insert pages: what moves was written back before. */
  shift(at: number, bytes: number): void {
    this.#settle((line) => line * LINE >= at)
    const end = pagesIn(this.size) * PAGE
    const moved = bytes > 0 ? this.read(at, this.size) : this.read(at - bytes, this.size)
    this.zero(at, end)
    this.size += bytes
    this.#set(bytes > 0 ? at + bytes : at, moved)
  }

  /** Lines of [from, to) are durable as they are. */
  sync(from = 0, to = Infinity): void {
    this.#settle((line) => line * LINE < to && (line + 1) * LINE > from)
  }

  flush(from: number, to: number): void {
    for (const line of this.#atRisk.keys()) {
      if (line * LINE < to && (line + 1) * LINE > from)
        this.#flushed.set(line, this.#versions(line).at(-1) as Uint8Array)
    }
  }

  fence(): void {
    for (const [line, version] of this.#flushed) {
      const versions = this.#versions(line)
      versions.splice(0, versions.indexOf(version))
    }
    this.#flushed.clear()
  }

  /** Return: the first byte of what a power failure left that could not be, or -1. */
  crash(survivors: Uint8Array, all: boolean): number {
    const now = this.read(0, this.size)
    for (let start = 0; start < this.size; start += LINE) {
      const end = Math.min(start + LINE, this.size)
      const left = survivors.subarray(start, end)
      const versions = this.#atRisk.get(start / LINE)
      const same = isEqual(left, now.subarray(start, end))
      if (same || (!all && versions?.some((version) => isEqual(left, version.subarray(0, end - start))))) continue
      return start
    }
    this.adopt(survivors)
    return -1
  }

  /** The same where media is what was stored to: all of it survives, what lies past EOF in the last page too. */
  crashMapped(survivors: Uint8Array): number {
    const lost = survivors.findIndex((byte, at) => byte !== this.read(at, at + 1)[0])
    this.#settle(() => true)
    return lost
  }

  /** The file is these bytes, all of them durable. */
  adopt(bytes: Uint8Array): void {
    this.#pages.clear()
    this.#settle(() => true)
    this.size = bytes.length
    this.#set(0, bytes)
  }

  setTail(bytes: Uint8Array): void {
    this.zero(this.size, pagesIn(this.size) * PAGE)
    if (bytes.some((byte) => byte !== 0)) this.put(this.size, bytes)
  }

  #settle(which: (line: number) => boolean): void {
    for (const line of this.#atRisk.keys()) {
      if (!which(line)) continue
      this.#atRisk.delete(line)
      this.#flushed.delete(line)
    }
  }

  #versions(line: number): Uint8Array[] {
    return this.#atRisk.get(line) ?? []
  }

  #line(line: number): Uint8Array {
    return this.read(line * LINE, (line + 1) * LINE)
  }

  #set(at: number, bytes: Uint8Array): void {
    for (const [page, start, end] of pieces(at, at + bytes.length, PAGE)) {
      const from = page * PAGE + start - at
      const part = bytes.subarray(from, from + end - start)
      let there = this.#pages.get(page)
      if (there === undefined) {
        if (isEqual(part, NOTHING.subarray(0, part.length))) continue
        there = new Uint8Array(PAGE)
        this.#pages.set(page, there)
      }
      there.set(part, start)
    }
  }
}

export type Refusal = 'EFAULT' | 'EACCES' | 'EIO'

export class ReferenceMapping {
  /** A page each; undefined: unmapped. */
  readonly #pages: (PageState | undefined)[] = []
  /** Anonymous pages of a private mapping, by page of the mapping. */
  readonly #copies = new Map<number, Uint8Array>()

  constructor(
    readonly file: ReferenceFile,
    readonly offset: number,
    public length: number,
    readonly shared: boolean,
    /** The file was open for writing. */
    readonly writableFile: boolean,
    protection: Protection,
  ) {
    this.resize(length, { protection, advice: '' })
  }

  /** Could be made writable and shared: what MADV_REMOVE and msync ask. */
  get reachesFile(): boolean {
    return this.shared && this.writableFile
  }

  stateOf(page: number): PageState | undefined {
    return this.#pages[page]
  }

  setState(page: number, state: PageState | undefined): void {
    this.#pages[page] = state
    if (state === undefined) this.#copies.delete(page)
  }

  /** Are all pages one mapping still? */
  get isWhole(): boolean {
    const [first] = this.#pages
    return this.#pages.every((state) => state?.protection === first?.protection && state?.advice === first?.advice)
  }

  resize(length: number, state = this.#pages[0]): void {
    this.length = length
    const pages = pagesIn(length)
    for (let page = pages; page < this.#pages.length; page++) this.#copies.delete(page)
    this.#pages.length = Math.min(this.#pages.length, pages)
    while (this.#pages.length < pages) this.#pages.push(state)
  }

  /** What an access to a page ends in, or undefined. */
  refusal(page: number, write: boolean): Refusal | undefined {
    const state = this.#pages[page]
    if (state === undefined) return 'EFAULT'
    if (state.protection === 'none' || (write && !state.protection.includes('w'))) return 'EACCES'
    return this.#pgoff(page) >= pagesIn(this.file.size) ? 'EIO' : undefined
  }

  /** Return: how many bytes of the range can be accessed before one that cannot, and why that is. */
  reach(at: number, length: number, write: boolean): { bytes: number; refusal?: Refusal } {
    for (const [page, start] of pieces(at, at + length, PAGE)) {
      const refusal = this.refusal(page, write)
      if (refusal !== undefined) return { bytes: page * PAGE + start - at, refusal }
    }
    return { bytes: length }
  }

  load(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (const [page, start, end] of pieces(at, at + length, PAGE)) {
      bytes.set(this.#page(page).subarray(start, end), page * PAGE + start - at)
    }
    return bytes
  }

  store(at: number, bytes: Uint8Array): void {
    if (this.shared) {
      this.file.put(this.offset + at, bytes)
      return
    }
    for (const [page, start, end] of pieces(at, at + bytes.length, PAGE)) {
      this.copy(page)
      const from = page * PAGE + start - at
      this.#copies.get(page)?.set(bytes.subarray(from, from + end - start), start)
    }
  }

  /** A store to the page, apart from its bytes. */
  copy(page: number): void {
    if (!this.shared && !this.#copies.has(page)) this.#copies.set(page, this.#page(page).slice())
  }

  dropCopy(page: number): void {
    this.#copies.delete(page)
  }

  /** Pages of the file from this one on lose their copies. */
  dropCopiesFrom(pgoff: number): void {
    for (const page of this.#copies.keys()) if (this.#pgoff(page) >= pgoff) this.#copies.delete(page)
  }

  /** Pages that a byte range touches. */
  *pagesOf(at: number, length: number): Generator<number> {
    const end = Math.min(pagesIn(at + length), this.#pages.length)
    for (let page = Math.floor(at / PAGE); page < end; page++) yield page
  }

  #pgoff(page: number): number {
    return this.offset / PAGE + page
  }

  #page(page: number): Uint8Array {
    const start = this.#pgoff(page) * PAGE
    return this.#copies.get(page) ?? this.file.read(start, start + PAGE)
  }
}

export interface PageState {
  readonly protection: Protection
  /** What madvise has said that makes it a mapping of its own. */
  readonly advice: string
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
