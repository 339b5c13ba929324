/**
 * Mistakes of programs that sync pages (msync, fsync) instead of lines.
 *
 *   wrong page synced      a sync of clean pages only, while others are dirty
 *   range rounded down     a sync ends at a page boundary in the middle of what was stored in one go
 *   different pages        the last thing stored before a sync is a word of its own page: a flag, which may reach media
 *                          before the data that the same sync writes
 *   same page              the same with the flag in another line of the data's page: a page is not atomic
 *
 * A word is 8 bytes or fewer. What is called a flag here is a guess; that is why the last two are notes.
 */
import { Page } from '../constants.js'
import type { FindingList } from './findings.js'
import { OpKind, type StoreLog } from './store-log.js'

const FLAG_BYTES_MAX = 8

export function pageFindings(log: StoreLog, list: FindingList): void {
  /** Stores since their page was synced, in order. */
  let dirty: number[] = []
  for (let op = 0; op < log.count; op++) {
    if (log.kind(op) <= OpKind.StoreNonTemporal) dirty.push(op)
    if (!log.isSync(op)) continue
    const covered = dirty.filter((store) => isCovered(log, store, op))
    if (covered.length === 0 && dirty.some((store) => log.file(store) === log.file(op))) {
      list.add('wrong page synced', op)
    }
    if (isCutShort(log, dirty, op)) list.add('range rounded down', op)
    flagFindings(log, list, covered, op)
    dirty = dirty.filter((store) => !isCovered(log, store, op))
  }
}

function isCovered(log: StoreLog, store: number, sync: number): boolean {
  const from = Math.floor(log.offset(sync) / Page.Size) * Page.Size
  const end = Math.ceil((log.offset(sync) + log.length(sync)) / Page.Size) * Page.Size
  return log.file(store) === log.file(sync) && log.offset(store) >= from && log.offset(store) < end
}

/** Does what was stored go on, without a gap and under the same label, on the page after the range? */
function isCutShort(log: StoreLog, dirty: readonly number[], sync: number): boolean {
  const end = Math.ceil((log.offset(sync) + log.length(sync)) / Page.Size) * Page.Size
  const inFile = dirty.filter((store) => log.file(store) === log.file(sync))
  const before = inFile.filter((store) => log.offset(store) + log.length(store) === end)
  const after = inFile.filter((store) => log.offset(store) === end)
  return before.some((store) => after.some((next) => log.label(next) === log.label(store)))
}

function flagFindings(log: StoreLog, list: FindingList, covered: readonly number[], sync: number): void {
  const flag = covered.at(-1)
  if (flag === undefined || log.length(flag) > FLAG_BYTES_MAX) return
  const flagLabel = log.label(flag)
  const flagLine = Math.floor(log.offset(flag) / Page.LineSize)
  const flagPage = Math.floor(log.offset(flag) / Page.Size)
  // Stores of the same label, or right before it without any labels, are one record and no flag.
  const data = covered.filter((store) => store !== flag && (flagLabel === '' || log.label(store) !== flagLabel))
  if (flagLabel === '' && data.every((store) => Math.floor(log.offset(store) / Page.LineSize) === flagLine)) return
  const pages = new Set(data.map((store) => Math.floor(log.offset(store) / Page.Size)))
  if (pages.size > (pages.has(flagPage) ? 1 : 0)) list.add('flag and data on different pages in one sync', sync)
  const inPage = data.filter((store) => Math.floor(log.offset(store) / Page.Size) === flagPage)
  if (inPage.some((store) => Math.floor(log.offset(store) / Page.LineSize) !== flagLine)) {
    list.add('commit flag in the same page as data', flag)
  }
}
