/** Mounting a pool with damaged notes: whoever mounts it is told what is lost, and which files cannot be opened. */
import type { Addon } from '../binding/addon.js'
import { checkNote } from '../media/host-file-blocks.js'
import { readBadBlocks } from '../media/host-file-bad-blocks.js'
import { BAD_BLOCKS_DIRECTORY, BLOCKS_DIRECTORY, namesWithNotes } from '../media/host-file-notes.js'
import { type PoolDirectory, listPool } from './pool-directory.js'

/** One warning a note, code FAULTLINE_DAMAGED_NOTE. Context: the pool is locked by us. */
export function warnOfDamagedNotes(addon: Addon, { root, directory }: PoolDirectory): void {
  const files = new Set(listPool(root))
  const noted = (notes: string): string[] => namesWithNotes(addon, directory, notes).filter((name) => files.has(name))
  for (const name of noted(BLOCKS_DIRECTORY)) {
    const dropped = `${BLOCKS_DIRECTORY}/${name} is damaged and counts as empty: stores to blocks that were allocated`
    tellFailure(() => checkNote(addon, directory, name), `${dropped} without data need space again`)
  }
  for (const name of noted(BAD_BLOCKS_DIRECTORY)) {
    tellFailure(() => readBadBlocks(addon, directory, name), `${name} cannot be opened`)
  }
}

function tellFailure(check: () => unknown, consequence: string): void {
  try {
    check()
  } catch (error) {
    const message = `${consequence} (${(error as Error).message})`
    process.emitWarning(message, { type: 'FaultlineWarning', code: 'FAULTLINE_DAMAGED_NOTE' })
  }
}
