/**
 * The images met so far, by name (line-hash.ts): an open-addressed table of 128-bit names, numbered in the order they
 * were met. 16 bytes a name and 4 to 8 for the table, whatever the size of the pool.
 */
import { NAME_WORDS } from './line-hash.js'

const FIRST_CAPACITY = 64

export class ImageTable {
  #count = 0
  #names = new Int32Array(FIRST_CAPACITY * NAME_WORDS)
  /** 0: free; else the number of an image, plus 1. A power of two, at most half full. */
  #slots = new Int32Array(FIRST_CAPACITY * 2)

  get count(): number {
    return this.#count
  }

  /** Return: the number of the image with this name, which it gets now (the count grows) when it has none. */
  add(name: Int32Array): number {
    if (this.#count * 2 >= this.#slots.length) this.#grow()
    const mask = this.#slots.length - 1
    let slot = ((name[0] as number) ^ ((name[1] as number) >>> 7)) & mask
    for (let held = this.#slots[slot] as number; held !== 0; held = this.#slots[slot] as number) {
      if (this.#same(held - 1, name)) return held - 1
      slot = (slot + 1) & mask
    }
    const image = this.#count++
    this.#slots[slot] = image + 1
    if ((image + 1) * NAME_WORDS > this.#names.length) {
      const names = new Int32Array(this.#names.length * 2)
      names.set(this.#names)
      this.#names = names
    }
    for (let i = 0; i < NAME_WORDS; i++) this.#names[image * NAME_WORDS + i] = name[i] as number
    return image
  }

  #same(image: number, name: Int32Array): boolean {
    const at = image * NAME_WORDS
    for (let i = 0; i < NAME_WORDS; i++) if (this.#names[at + i] !== name[i]) return false
    return true
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let image = 0; image < this.#count; image++) {
      const at = image * NAME_WORDS
      let slot = ((this.#names[at] as number) ^ ((this.#names[at + 1] as number) >>> 7)) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = image + 1
    }
    this.#slots = slots
  }
}
