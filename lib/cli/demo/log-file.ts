/**
 * One file of the record log: a header, and records one after another, on a mapping.
 *
 *   byte  0      magic         0 until the rest of the header is durable: the file does not count before
 *         8      first         sequence number of the first record
 *        16      size          bytes of the file
 *        24      crc           CRC-32 of bytes 8 … 23
 *        64      commit word   where the valid records end: a line of its own, changed by one 8-byte store
 *      4096      records       length u32, CRC-32 u32, sequence u64, payload; each starts at a multiple of 8
 *
 * The order that makes it safe: records are made durable first, the commit word is stored after that, and made durable
 * before anything is acknowledged. A power failure at any point leaves the old commit word or the new one, and both end
 * behind whole records. What lies past it is not read.
 */
import { crc32 } from 'node:zlib'

const MAGIC = 0x676f6c7463657266n

const enum Header {
  Magic = 0,
  First = 8,
  Size = 16,
  Crc = 24,
  Commit = 64,
  Records = 4096,
}

const enum RecordField {
  Length = 0,
  Crc = 4,
  Sequence = 8,
  Payload = 16,
}

/** Memory, and the call after which these bytes of it are durable. A DaxMapping is one. */
export interface DurableMemory {
  readonly buffer: ArrayBuffer
  persist(offset: number, length: number): void
}

export interface LogRecord {
  readonly sequence: number
  /** A view of the log itself: copy what has to outlive the mapping. */
  readonly payload: Uint8Array
}

/** The log holds something its writer never published as a whole. */
export class TornLogError extends Error {
  override readonly name = 'TornLogError'
}

export class LogFile {
  readonly #memory: DurableMemory
  readonly #bytes: Buffer
  /** Aligned 8-byte stores; a DataView may store byte by byte. */
  readonly #words: BigUint64Array
  #first = 0
  #next = 0
  #committed: number = Header.Records
  #tail: number = Header.Records

  private constructor(memory: DurableMemory) {
    this.#memory = memory
    this.#bytes = Buffer.from(memory.buffer)
    this.#words = new BigUint64Array(memory.buffer, 0, Math.floor(memory.buffer.byteLength / 8))
  }

  /** Bytes a record with such a payload takes. */
  static recordBytes(payloadBytes: number): number {
    return Math.ceil((RecordField.Payload + payloadBytes) / 8) * 8
  }

  /** A new log in this memory, durable when the call returns. first: sequence number of its first record. */
  static create(memory: DurableMemory, first: number): LogFile {
    const file = new LogFile(memory)
    file.#store(Header.Magic, 0n)
    file.#store(Header.First, BigInt(first))
    file.#store(Header.Size, BigInt(memory.buffer.byteLength))
    file.#bytes.writeUInt32LE(crc32(file.#bytes.subarray(Header.First, Header.Crc)), Header.Crc)
    file.#store(Header.Commit, BigInt(Header.Records))
    memory.persist(0, Header.Records)
    file.#store(Header.Magic, MAGIC)
    memory.persist(Header.Magic, 8)
    file.#first = first
    file.#next = first
    return file
  }

  /**
   * The log in this memory, its records counted and checked.
   * Return: undefined when create() did not get to its end. Errors: TornLogError.
   */
  static open(memory: DurableMemory): LogFile | undefined {
    const file = new LogFile(memory)
    if (file.#bytes.length < Header.Records || file.#words[Header.Magic] !== MAGIC) return undefined
    if (file.#bytes.readUInt32LE(Header.Crc) !== crc32(file.#bytes.subarray(Header.First, Header.Crc))) {
      throw new TornLogError('the header of a log file fails its CRC')
    }
    file.#first = file.#load(Header.First)
    file.#next = file.#first
    file.#committed = file.#load(Header.Commit)
    file.#tail = file.#committed
    const size = Math.min(file.#load(Header.Size), memory.buffer.byteLength)
    if (file.#committed < Header.Records || file.#committed > size) {
      throw new TornLogError(`the commit word points to byte ${file.#committed} of ${size}`)
    }
    for (const { sequence } of file.records()) file.#next = sequence + 1
    return file
  }

  /** Sequence number of the first record. */
  get first(): number {
    return this.#first
  }

  /** Sequence number the next record gets. */
  get next(): number {
    return this.#next
  }

  hasRoomFor(payloadBytes: number): boolean {
    return this.#tail + LogFile.recordBytes(payloadBytes) <= this.#bytes.length
  }

  /** Store a record behind the last one; neither durable nor visible before commit(). Return: its sequence number. */
  append(payload: Uint8Array): number {
    if (!this.hasRoomFor(payload.length)) throw new RangeError(`no room for a record of ${payload.length} bytes`)
    const record = this.#bytes.subarray(this.#tail, this.#tail + RecordField.Payload + payload.length)
    record.writeUInt32LE(payload.length, RecordField.Length)
    record.writeBigUInt64LE(BigInt(this.#next), RecordField.Sequence)
    record.set(payload, RecordField.Payload)
    record.writeUInt32LE(checksum(record), RecordField.Crc)
    this.#tail += LogFile.recordBytes(payload.length)
    return this.#next++
  }

  /** Publish all appended records. They are durable when it returns, and only then may they be acknowledged. */
  commit(): void {
    if (this.#tail === this.#committed) return
    this.#memory.persist(this.#committed, this.#tail - this.#committed)
    this.#store(Header.Commit, BigInt(this.#tail))
    this.#memory.persist(Header.Commit, 8)
    this.#committed = this.#tail
  }

  /** Published records, oldest first. Errors: TornLogError at the first one that is not as it was written. */
  *records(): Generator<LogRecord> {
    let sequence = this.#first
    for (let at: number = Header.Records; at < this.#committed; sequence++) {
      const length = this.#bytes.readUInt32LE(at + RecordField.Length)
      const end = at + RecordField.Payload + length
      if (end > this.#committed) throw new TornLogError(`record ${sequence} reaches past the commit word`)
      const record = this.#bytes.subarray(at, end)
      if (record.readUInt32LE(RecordField.Crc) !== checksum(record)) {
        throw new TornLogError(`record ${sequence} fails its CRC`)
      }
      const stored = Number(record.readBigUInt64LE(RecordField.Sequence))
      if (stored !== sequence) throw new TornLogError(`record ${stored} where ${sequence} belongs`)
      yield { sequence, payload: record.subarray(RecordField.Payload) }
      at += LogFile.recordBytes(length)
    }
  }

  #load(offset: number): number {
    return Number(this.#words[offset / 8])
  }

  #store(offset: number, value: bigint): void {
    this.#words[offset / 8] = value
  }
}

/** Of everything in a record but the CRC itself. */
function checksum(record: Buffer): number {
  return crc32(record.subarray(RecordField.Sequence), crc32(record.subarray(RecordField.Length, RecordField.Crc)))
}
