/** Numbers and tables for people. */
import Table from 'cli-table3'
import pc from 'picocolors'

export type Cell = string | number

/** 1234567 as '1,234,567'. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** Bytes in the largest binary unit that leaves at least 1, with one digit: '94.3 MiB'. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** Columns after the first are numbers, set to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const table = new Table({
    head: head.map((title) => pc.bold(title)),
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  for (const row of rows) table.push(row.map((cell) => (typeof cell === 'number' ? formatCount(cell) : cell)))
  return table.toString()
}

/** Name and value, one pair a line, values in one column. */
export function formatPairs(pairs: readonly (readonly [name: string, value: Cell])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs
    .map(([name, value]) => `${name.padEnd(width)}  ${typeof value === 'number' ? formatCount(value) : value}`)
    .join('\n')
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
