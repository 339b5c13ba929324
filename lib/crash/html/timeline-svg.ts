/** The run as a picture: a row for each line of memory, a column for each operation, time to the right. */
import { Page } from '../../constants.js'
import type { Failure, LoggedOperation } from '../report.js'
import { escape } from './escape.js'

const COLUMN = 18
const ROW = 24
const LEFT = 110
const TOP = 96
const COLUMNS_MAX = 600
const ROWS_MAX = 80

const isStore = (kind: string): boolean => kind === 'store' || kind === 'store NT'

/** failure: its stores and its moment are shown. operations: as many as the report has of the log. */
export function timelineSvg(operations: readonly LoggedOperation[], failure: Failure | undefined): string {
  const shown = operations.slice(0, COLUMNS_MAX)
  const rows = rowsOf(shown)
  const width = LEFT + (shown.length + 1) * COLUMN + 10
  const height = TOP + rows.size * ROW + 10
  const column = (op: number): number => LEFT + op * COLUMN + COLUMN / 2
  const bottom = height - 10
  const parts: string[] = []
  for (const [key, row] of rows) {
    const y = TOP + row * ROW + ROW / 2
    parts.push(`<line class="row" x1="${LEFT}" y1="${y}" x2="${width}" y2="${y}"/>`)
    parts.push(`<text class="dim" x="4" y="${y + 4}">${escape(key)}</text>`)
  }
  parts.push(...labels(shown, column))
  for (const operation of shown) parts.push(...mark(operation, rows, column(operation.op), bottom, failure))
  if (failure !== undefined && failure.op <= shown.length) {
    const x = column(failure.op) - COLUMN / 2
    parts.push(
      `<line class="crash" x1="${x}" y1="${TOP - 14}" x2="${x}" y2="${bottom}"><title>power failed</title></line>`,
    )
  }
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="timeline">${parts.join('')}</svg>`
}

function rowsOf(operations: readonly LoggedOperation[]): Map<string, number> {
  const keys = new Map<string, number>()
  for (const operation of operations) {
    if (isStore(operation.kind))
      keys.set(rowKey(operation.file, operation.offset), operation.file * 2 ** 44 + operation.offset)
  }
  const sorted = [...keys].sort(([, a], [, b]) => a - b).slice(0, ROWS_MAX)
  return new Map(sorted.map(([key], row) => [key, row]))
}

function rowKey(file: number, offset: number): string {
  const line = Math.floor(offset / Page.LineSize) * Page.LineSize
  return `${file === 1 ? '' : `${file}: `}0x${line.toString(16)}`
}

/** What the program said it did, where it said so. */
function labels(operations: readonly LoggedOperation[], column: (op: number) => number): string[] {
  return operations
    .filter(({ kind }) => kind === 'mark' || kind === 'begin')
    .map(({ op, word, kind }) => {
      const x = column(op)
      if (kind === 'begin') return `<text x="${x}" y="14">${escape(word)}</text>`
      return `<text class="dim" transform="translate(${x + 4} ${TOP - 8}) rotate(-28)">${escape(word)}</text>`
    })
}

function mark(
  operation: LoggedOperation,
  rows: ReadonlyMap<string, number>,
  x: number,
  bottom: number,
  failure: Failure | undefined,
): string[] {
  const { kind, file, offset, length, word } = operation
  const title = `<title>${escape(describe(operation))}</title>`
  if (kind === 'fence' || kind === 'sync') {
    return [`<line class="fence" x1="${x}" y1="${TOP}" x2="${x}" y2="${bottom}">${title}</line>`]
  }
  if (kind === 'acknowledged') return [`<text class="told" x="${x - 5}" y="${TOP - 2}">✓${title}</text>`]
  if (isStore(kind)) {
    const row = rows.get(rowKey(file, offset))
    if (row === undefined) return []
    const isTold = failure?.stores.some(({ op }) => op === operation.op) === true
    const className = isTold ? `store ${failure.reading}` : 'store'
    const y = TOP + row * ROW + ROW / 2
    if (kind === 'store') return [`<circle class="${className}" cx="${x}" cy="${y}" r="5.5">${title}</circle>`]
    return [`<rect class="${className}" x="${x - 5}" y="${y - 5}" width="10" height="10">${title}</rect>`]
  }
  if (kind !== 'flush' || word !== '') return []
  const triangles: string[] = []
  const first = Math.floor(offset / Page.LineSize)
  const last = Math.floor((offset + Math.max(length, 1) - 1) / Page.LineSize)
  for (let line = first; line <= Math.min(last, first + ROWS_MAX); line++) {
    const row = rows.get(rowKey(file, line * Page.LineSize))
    if (row === undefined) continue
    const y = TOP + row * ROW + ROW / 2
    triangles.push(`<path class="flush" d="M${x - 6} ${y + 5} h12 l-6 -11 z">${title}</path>`)
  }
  return triangles
}

function describe({ op, kind, offset, length, label, location, word }: LoggedOperation): string {
  const place = isStore(kind) || kind === 'flush' ? ` ${length} bytes at 0x${offset.toString(16)}` : ''
  const said = [word, label === '' ? '' : `'${label}'`, location].filter((text) => text !== '').join(', ')
  return `${op}: ${kind}${place}${said === '' ? '' : ` (${said})`}`
}
