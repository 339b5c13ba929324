/** What one open of a file has seen of its writeback errors (f_wb_err): each error is told once to each open. */
import { pmemError } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { InodeWord } from '../mm/inode.js'

export class WritebackErrors {
  #seen: number

  /** Errors before the open are none of its business. */
  constructor(
    machine: Machine,
    private readonly inode: number,
  ) {
    this.#seen = machine.inodes.word(inode, InodeWord.ErrorSequence)
  }

  /**
   * The end of a sync through this open, which met `error` itself, or nothing (file_check_and_advance_wb_err).
   * Errors: PmemError of this sync, or of one before it that this open was not told of yet.
   */
  report(machine: Machine, error: number, syscall: string, path?: string): void {
    const sequence = machine.inodes.word(this.inode, InodeWord.ErrorSequence)
    const news = sequence !== this.#seen
    this.#seen = sequence
    if (error < 0) throw pmemError(error, syscall, path)
    if (news) throw pmemError(-machine.inodes.word(this.inode, InodeWord.ErrorNumber), syscall, path)
  }
}
