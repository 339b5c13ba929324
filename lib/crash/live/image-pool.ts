/**
 * A mounted pool whose media is made one crash image after the other.
 *
 * Media is the host's files, so an image is put there by writing the lines that change; then the machine loses power,
 * which makes it forget what it had of the files, and the image is what it finds. What a recovery made durable is found
 * by the pages it touched, and those are taken from the base again. So an image costs what changes and what recovery
 * touches, not what the pool holds. Only where a recovery took the mount with it, all is made anew.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { isDead } from '../../fault/machine.js'
import { Page } from '../../constants.js'
import { attach, mount } from '../../fs/mount.js'
import { type Pmem, machineOf } from '../../fs/pmem.js'
import type { ChangedLine } from '../changed-line.js'
import { LINE_WORDS } from '../line-hash.js'
import { copyPool, filesIn } from './copy-pool.js'
import { touchedPages } from './touched-pages.js'

interface ImageFile {
  readonly name: string
  readonly base: number
  readonly image: number
  readonly size: number
}

export class ImagePool {
  readonly #base: string
  readonly #root: string
  #pmem: Pmem
  readonly #files = new Map<string, ImageFile>()
  /** Lines that are not as in the base, by file and page. */
  readonly #lines = new Map<string, Map<number, Set<ChangedLine>>>()
  readonly #written = new Set<ChangedLine>()
  readonly #nameOf: (file: number) => string
  readonly #page = new Uint8Array(Page.Size)
  #session: Pmem | undefined

  /** base: a folder of files; root: where the pool is to be; nameOf: the file that a number of the log stands for. */
  constructor(base: string, root: string, nameOf: (file: number) => string) {
    this.#base = base
    this.#root = root
    this.#nameOf = nameOf
    this.#pmem = this.#boot()
  }

  /** A line of the image is now another variant. */
  put(line: ChangedLine): void {
    this.#written.add(line)
  }

  /** Return: the pool, with the image on media and nothing in caches. End with `leave`. */
  enter(): Pmem {
    for (const line of this.#written) this.#writeLine(line)
    this.#written.clear()
    this.#pmem.crash()
    this.#session = attach(this.#pmem.handle)
    return this.#session
  }

  /** The power fails while the pool is in use. Return: the pool, as the next boot finds it. */
  losePower(): Pmem {
    this.#session?.close()
    this.#pmem.crash()
    this.#session = attach(this.#pmem.handle)
    return this.#session
  }

  /** The pool in use. Context: between enter and leave. */
  get session(): Pmem {
    return this.#session as Pmem
  }

  /** What was done to the pool is undone. */
  leave(): void {
    if (isDead(machineOf(this.#pmem).words) || !this.#hasNames()) {
      this.#bootAgain()
      return
    }
    const touched = touchedPages(machineOf(this.#pmem))
    this.#session?.close()
    this.#session = undefined
    // What caches have of it is forgotten when the next image enters: nothing writes back before that.
    for (const [name, pages] of touched) {
      const file = this.#files.get(name)
      if (file !== undefined) for (const page of pages) this.#restorePage(file, page)
    }
    this.#restoreNames()
  }

  readLine(file: number, offset: number, into: Int32Array): void {
    into.fill(0)
    const { base } = this.#fileOf(file)
    readSync(base, new Uint8Array(into.buffer, into.byteOffset, Page.LineSize), 0, Page.LineSize, offset)
  }

  close(): void {
    this.#session?.close()
    try {
      if (!isDead(machineOf(this.#pmem).words)) this.#pmem.crash()
      this.#pmem.close()
    } finally {
      this.#closeFiles()
    }
  }

  #boot(): Pmem {
    copyPool(this.#base, this.#root)
    try {
      for (const name of filesIn(this.#base)) {
        const image = openSync(join(this.#root, name), 'r+')
        const file = { name, base: openSync(join(this.#base, name), 'r'), image, size: fstatSync(image).size }
        this.#files.set(name, file)
      }
      return mount(this.#root)
    } catch (error) {
      this.#closeFiles()
      throw error
    }
  }

  /** Recovery has taken the mount, or files, with it: all is made anew, and the image is what it was. */
  #bootAgain(): void {
    this.close()
    this.#session = undefined
    rmSync(this.#root, { recursive: true })
    this.#pmem = this.#boot()
    for (const pages of this.#lines.values()) {
      for (const lines of pages.values()) for (const line of lines) this.#written.add(line)
    }
  }

  #closeFiles(): void {
    for (const { base, image } of this.#files.values()) {
      closeSync(base)
      closeSync(image)
    }
    this.#files.clear()
  }

  #fileOf(number: number): ImageFile {
    return this.#files.get(this.#nameOf(number)) as ImageFile
  }

  #writeLine(line: ChangedLine): void {
    const { name, image, size } = this.#fileOf(line.file)
    const page = Math.floor(line.offset / Page.Size)
    const pages = this.#lines.get(name) ?? new Map<number, Set<ChangedLine>>()
    this.#lines.set(name, pages)
    const lines = pages.get(page) ?? new Set()
    pages.set(page, lines)
    if (line.chosen === 0) lines.delete(line)
    else lines.add(line)
    const length = Math.min(Page.LineSize, size - line.offset)
    if (length > 0) writeSync(image, bytesOf(line), 0, length, line.offset)
  }

  #restorePage({ name, base, image, size }: ImageFile, page: number): void {
    const offset = page * Page.Size
    const length = Math.min(Page.Size, size - offset)
    if (length <= 0) return
    this.#page.fill(0)
    readSync(base, this.#page, 0, length, offset)
    for (const line of this.#lines.get(name)?.get(page) ?? []) this.#page.set(bytesOf(line), line.offset - offset)
    writeSync(image, this.#page, 0, length, offset)
  }

  /** Are the files of the image there, under their names? */
  #hasNames(): boolean {
    return [...this.#files.values()].every(({ name, image }) => {
      const path = join(this.#root, name)
      return existsSync(path) && statSync(path).ino === fstatSync(image).ino
    })
  }

  /** Files that recovery made are removed, files that it resized have their size again. */
  #restoreNames(): void {
    for (const name of filesIn(this.#root)) {
      if (!this.#files.has(name)) unlinkSync(join(this.#root, name))
    }
    for (const { image, size } of this.#files.values()) {
      if (fstatSync(image).size !== size) ftruncateSync(image, size)
    }
  }
}

function bytesOf({ contents, chosen }: ChangedLine): Uint8Array {
  return new Uint8Array(contents.buffer, contents.byteOffset + chosen * LINE_WORDS * 4, Page.LineSize)
}
