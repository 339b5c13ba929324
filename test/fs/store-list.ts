/** A sink that keeps what it is told. */
import type { StoreSink } from '../../lib/index.js'

export interface StoredBytes {
  readonly thread: number
  readonly file: number
  readonly offset: number
  readonly bytes: Uint8Array
  readonly nonTemporal: boolean
  readonly location: number
}

export class StoreList implements StoreSink {
  /** Everything, as text, in order. */
  lines: string[] = []
  stores: StoredBytes[] = []

  store(thread: number, file: number, offset: number, bytes: Uint8Array, nonTemporal: boolean, location: number): void {
    this.stores.push({ thread, file, offset, bytes: bytes.slice(), nonTemporal, location })
    const hex = Buffer.from(bytes).toString('hex')
    this.lines.push(`store ${thread} ${file} ${offset} ${hex}${nonTemporal ? ' nt' : ''}`)
  }

  flush(thread: number, file: number, offset: number, length: number): void {
    this.lines.push(`flush ${thread} ${file} ${offset} ${length}`)
  }

  fence(thread: number): void {
    this.lines.push(`fence ${thread}`)
  }

  mark(thread: number, label: string): void {
    this.lines.push(`mark ${thread} ${label}`)
  }

  acknowledged(thread: number, id: string): void {
    this.lines.push(`acknowledged ${thread} ${id}`)
  }

  take(): { stores: StoredBytes[]; lines: string[] } {
    const { stores, lines } = this
    this.stores = []
    this.lines = []
    return { stores, lines }
  }
}
