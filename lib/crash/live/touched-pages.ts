/** Pages of a mounted file that anybody has touched since it was opened or lost power: those that have an entry. */
import { rootOf } from '../../dax/grab-entry.js'
import { LAST_INDEX } from '../../dax/invalidate.js'
import { liveInodes } from '../../fs/inode-cache.js'
import type { Machine } from '../../fault/machine.js'
import { Cursor } from '../../tree/cursor.js'

/** Return: page indices by the name of the file. What was never touched cannot have changed. */
export function touchedPages(machine: Machine): Map<string, number[]> {
  const pages = new Map<string, number[]>()
  const cursor = new Cursor()
  for (const inode of liveInodes(machine)) {
    const list: number[] = []
    const root = rootOf(machine, inode)
    for (let from = 0; machine.tree.next(root, from, LAST_INDEX, cursor); from = cursor.after()) {
      for (let page = 0; page < 1 << cursor.order; page++) list.push(cursor.index + page)
    }
    pages.set(machine.inodes.nameOf(inode), list)
  }
  return pages
}
