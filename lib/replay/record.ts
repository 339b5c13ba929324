/** The result record of one operation, and the run-length forms in it. */

/** What became of an operation. */
export interface Outcome {
  ret?: number
  errno?: string
  /** mmap: the address is congruent to the file offset modulo 2 MiB. mremap: the mapping is elsewhere now. */
  align2m?: boolean
  moved?: boolean
  sig?: 'SIGBUS' | 'SIGSEGV'
  code?: number
  code_name?: string
  at?: number
  done?: number
  runs?: ByteRun[]
  pages?: string
  scan?: PageRange[]
  vec?: string
  dax?: boolean
}

export type ByteRun = [offset: number, count: number, byte: number]
export type PageRange = [start: number, end: number, kind: string]

export interface FileState {
  size: number
  blocks: number
  nlink?: number
  mt: 0 | 1
  ct: 0 | 1
  map: [kind: 'D' | 'H', start: number, end: number][]
  ext: [start: number, end: number, state: 'W' | 'U'][]
  runs?: ByteRun[]
  runs_truncated?: true
  crc?: string
}

export interface OperationRecord extends Outcome {
  fs: string
  s: string
  i: number
  op: string
  a: Readonly<Record<string, unknown>>
  flt?: [minor: number, major: number]
  ev: string[]
  st?: Record<string, FileState>
}

/** 'aab' as 'a*2,b*1'. */
export function runLengths(letters: Iterable<string>): string {
  const runs: string[] = []
  let last = ''
  let count = 0
  for (const letter of letters) {
    if (letter === last) {
      count++
      continue
    }
    if (count > 0) runs.push(`${last}*${count}`)
    last = letter
    count = 1
  }
  if (count > 0) runs.push(`${last}*${count}`)
  return runs.join(',')
}

/** Bytes read at offset, offset + step, …: each run has the offset of its first byte and the number of bytes read. */
export function byteRuns(bytes: Uint8Array, offset: number, step = 1): ByteRun[] {
  const runs: ByteRun[] = []
  for (let start = 0; start < bytes.length;) {
    const byte = bytes[start] as number
    let end = start + 1
    while (end < bytes.length && bytes[end] === byte) end++
    runs.push([offset + start * step, end - start, byte])
    start = end
  }
  return runs
}
