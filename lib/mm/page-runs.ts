/**
 * A few runs of neighbouring pages of one file, ascending and apart: what the ports do to many pages in one call.
 *
 *   words   two numbers a run: first page, pages
 */
export class PageRuns {
  readonly words: Float64Array
  /** Runs. */
  count = 0
  /** Pages of all of them. */
  pages = 0

  /** most: runs it has room for. */
  constructor(most: number) {
    this.words = new Float64Array(2 * most)
  }

  clear(): void {
    this.count = 0
    this.pages = 0
  }

  /** Pages behind all that are in it; neighbours of the last run make it longer. */
  add(first: number, pages: number): void {
    const { words } = this
    const last = 2 * this.count - 2
    this.pages += pages
    if (this.count > 0 && (words[last] as number) + (words[last + 1] as number) === first) {
      words[last + 1] = (words[last + 1] as number) + pages
      return
    }
    words[last + 2] = first
    words[last + 3] = pages
    this.count++
  }

  first(run: number): number {
    return this.words[2 * run] as number
  }

  length(run: number): number {
    return this.words[2 * run + 1] as number
  }
}
