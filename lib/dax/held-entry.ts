/**
 * Where in its tree the entry is that a thread has locked.
 *
 * Nobody else removes a locked entry, and nodes do not move, so its place stays the same from lock to unlock: who holds
 * it need not look for it again. What the place is of is kept with it, because tests lock in one thread and unlock in
 * another, which then looks.
 */
import type { RadixTree } from '../tree/radix-tree.js'

export class HeldEntry {
  #root = 0
  #start = 0
  #place = 0

  /** start: first index of the entry. */
  hold(root: number, start: number, place: number): void {
    this.#root = root
    this.#start = start
    this.#place = place
  }

  release(): void {
    this.#place = 0
  }

  /** Context: i_pages held. Return: the place of the entry, 0 when there is none. */
  placeIn(tree: RadixTree, root: number, start: number): number {
    const mine = this.#place !== 0 && this.#start === start && this.#root === root
    return mine ? this.#place : tree.placeOf(root, start)
  }
}
