/**
 * Store logs of `valgrind --tool=pmemcheck --log-stores=yes`, so that native programs are explored too.
 *
 *   |START |REGISTER_FILE;path;address;size;offset |STORE;address;value;size[;frame…] |FLUSH;address;size |FENCE |STOP
 *
 * Numbers are hexadecimal, values little-endian words of `size` bytes, frames are there with stack traces. Between the
 * bars valgrind may print lines of its own (==pid==). Anything else between START and STOP is a marker of the program,
 * and becomes a mark. pmemcheck knows no threads here: a fence covers the flushes of all.
 */
import { StoreLog } from './store-log.js'

export class StoreLogError extends Error {
  override readonly name = 'StoreLogError'
}

export interface RegisteredFile {
  readonly number: number
  readonly path: string
  /** Bytes of the file the log may touch. */
  readonly size: number
}

export interface ParsedLog {
  readonly log: StoreLog
  readonly files: readonly RegisteredFile[]
  /** Stores to addresses of no registered file, which are left out. */
  readonly strays: number
}

interface Mapping {
  readonly file: number
  readonly address: bigint
  readonly size: bigint
  readonly offset: number
}

const THREAD = 1
const STORE_BYTES_MAX = 64
/** The largest file there is (loff_t would allow more; a double and a process would not). */
const FILE_BYTES_MAX = 2n ** 47n
/** Which engine pmreorder is to use from here on: not ours. */
const ENGINE_MARKERS = /^(?:FAULT_ONLY|FREORDER|AREORDER|PREORDER|NO_REORDER_FAULT|DEFAULT_REORDER|NREORDER|RREORDER)\b/

/** Errors: StoreLogError for text that is no such log, with the entry. */
export function parsePmemcheckLog(text: string): ParsedLog {
  const entries = text.split('|').map((entry) => entry.replace(/\n==\d+==[^\n]*/g, '').trim())
  const start = entries.findIndex((entry) => entry === 'START' || entry.startsWith('START;'))
  if (start < 0) throw new StoreLogError('no |START in it: it is no store log of pmemcheck (--log-stores=yes)')
  const stop = entries.findIndex((entry, i) => i > start && /^STOP\b/.test(entry))
  const reader = new Reader()
  for (const entry of entries.slice(start + 1, stop < 0 ? undefined : stop)) if (entry !== '') reader.read(entry)
  return { log: reader.log, files: reader.files(), strays: reader.strays }
}

class Reader {
  readonly log = new StoreLog()
  strays = 0
  readonly #mappings: Mapping[] = []
  readonly #numbers = new Map<string, number>()
  readonly #sizes = new Map<string, number>()

  files(): RegisteredFile[] {
    return [...this.#numbers].map(([path, number]) => ({ path, number, size: this.#sizes.get(path) ?? 0 }))
  }

  read(entry: string): void {
    const [kind = '', ...fields] = entry.split(';')
    if (kind === 'STORE') this.#store(entry, fields)
    else if (kind === 'FLUSH') this.#flush(entry, fields)
    else if (kind === 'FENCE') this.log.fence(THREAD)
    else if (kind === 'REGISTER_FILE') this.#register(entry, fields)
    else if (!ENGINE_MARKERS.test(kind)) this.log.mark(THREAD, entry)
  }

  #register(entry: string, fields: readonly string[]): void {
    // A path may have semicolons in it.
    const path = fields.slice(0, -3).join(';')
    const [address, size, offset] = fields.slice(-3).map((field) => parseHex(entry, field))
    if (path === '' || address === undefined || size === undefined || offset === undefined) throw malformed(entry)
    const file = this.#numbers.get(path) ?? this.#numbers.size + 1
    this.#numbers.set(path, file)
    this.#sizes.set(path, Math.max(this.#sizes.get(path) ?? 0, toNumber(entry, offset + size)))
    this.#mappings.unshift({ file, address, size, offset: toNumber(entry, offset) })
  }

  #store(entry: string, [addressText, valueText, sizeText, ...frames]: readonly string[]): void {
    const address = parseHex(entry, addressText)
    const size = Number(parseHex(entry, sizeText))
    const mapping = this.#find(address)
    if (size < 1 || size > STORE_BYTES_MAX) throw malformed(entry)
    if (mapping === undefined) {
      this.strays++
      return
    }
    let value = parseHex(entry, valueText)
    const bytes = new Uint8Array(size)
    for (let i = 0; i < size; i++, value >>= 8n) bytes[i] = Number(value & 0xffn)
    const location = this.log.location(frames[0] ?? '')
    this.log.store(THREAD, mapping.file, offsetIn(mapping, address), bytes, false, location)
  }

  #flush(entry: string, [addressText, sizeText]: readonly string[]): void {
    const address = parseHex(entry, addressText)
    const mapping = this.#find(address)
    if (mapping === undefined) return
    this.log.flush(THREAD, mapping.file, offsetIn(mapping, address), toNumber(entry, parseHex(entry, sizeText)))
  }

  #find(address: bigint): Mapping | undefined {
    return this.#mappings.find((each) => address >= each.address && address < each.address + each.size)
  }
}

function offsetIn(mapping: Mapping, address: bigint): number {
  return mapping.offset + Number(address - mapping.address)
}

function parseHex(entry: string, text: string | undefined): bigint {
  if (text === undefined || !/^(?:0x)?[0-9a-f]+$/i.test(text.trim())) throw malformed(entry)
  const digits = text.trim()
  return BigInt(/^0x/i.test(digits) ? digits : `0x${digits}`)
}

/** Sizes of files and of parts of them. */
function toNumber(entry: string, value: bigint): number {
  if (value > FILE_BYTES_MAX) throw malformed(entry)
  return Number(value)
}

function malformed(entry: string): StoreLogError {
  return new StoreLogError(`not an entry of a store log: |${entry.slice(0, 80)}`)
}
