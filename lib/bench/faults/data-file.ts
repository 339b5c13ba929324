/** The file that faults read: the first word of each page says which it is. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { Page } from '../../constants.js'

const PIECE_PAGES = 4096

export function writeDataFile(path: string, pages: number, seed: number): void {
  const fd = openSync(path, 'w')
  const piece = Buffer.alloc(PIECE_PAGES * Page.Size)
  for (let first = 0; first < pages; first += PIECE_PAGES) {
    const count = Math.min(PIECE_PAGES, pages - first)
    for (let page = 0; page < count; page++) piece.writeInt32LE(patternOf(first + page, seed), page * Page.Size)
    writeSync(fd, piece, 0, count * Page.Size)
  }
  closeSync(fd)
}

export function writeHoleFile(path: string, pages: number): void {
  const fd = openSync(path, 'w')
  ftruncateSync(fd, pages * Page.Size)
  closeSync(fd)
}

/** The first word of a page. */
export function patternOf(page: number, seed: number): number {
  return Math.imul(page + 1, 0x9e3779b1) ^ seed
}
