/**
 * Reading the log of a traced mount: records (native/store_log.h) as they lie in memory, told to a sink.
 *
 * Files and locations have numbers in the log that are the mount's; the sink gets indices into lists that only grow. A
 * file's number of the mount may come to stand for another file; the lists go by name.
 */
import { assert } from '../assert.js'
import type { StoreSink } from './store-sink.js'
import { LogKind } from './store-trace.js'

const RECORD_BYTES = 40

export class StoreLogReader {
  /** Names of files, by the numbers the sink gets; 0 is none. */
  readonly files: string[] = ['']
  /** Places in the program, by the numbers the sink gets; 0 is unknown. */
  readonly locations: string[] = ['']
  readonly #fileOf = new Map<number, number>()
  readonly #locationOf = new Map<number, number>()
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #text = new TextDecoder()

  constructor(records: ArrayBuffer) {
    this.#bytes = new Uint8Array(records)
    this.#view = new DataView(records)
  }

  /**
   * Tell the sink what is in [from, to), as long as goesOn says so.
   * Return: how many records; those about names count too.
   */
  read(from: number, to: number, sink: StoreSink, goesOn: () => boolean): number {
    let count = 0
    for (let at = from; at < to && goesOn(); count++) {
      const bytes = this.#view.getUint32(at, true)
      assert(bytes >= RECORD_BYTES && at + bytes <= to, 'a record of the store log has a length', { at, bytes, to })
      this.#tell(at, sink)
      at += bytes
    }
    return count
  }

  #tell(at: number, sink: StoreSink): void {
    const view = this.#view
    const kind: number = view.getUint8(at + 4)
    const number = view.getUint32(at + 12, true)
    const file = this.#fileOf.get(number) ?? 0
    const raw = view.getInt32(at + 8, true)
    const thread = raw < 0 ? -file : raw
    const offset = view.getFloat64(at + 16, true)
    const place = view.getUint32(at + 32, true)
    const location = place === 0 ? 0 : (this.#locationOf.get(place) ?? 0)
    const payload = this.#bytes.subarray(at + RECORD_BYTES, at + RECORD_BYTES + view.getUint16(at + 6, true))
    switch (kind) {
      case LogKind.Store:
        sink.store(thread, file, offset, payload, view.getUint8(at + 5) !== 0, location)
        break
      case LogKind.Flush:
        sink.flush(thread, file, offset, view.getFloat64(at + 24, true), location)
        break
      case LogKind.Fence:
        sink.fence(thread, location)
        break
      case LogKind.Mark:
        sink.mark(thread, this.#text.decode(payload))
        break
      case LogKind.Acknowledged:
        sink.acknowledged(thread, this.#text.decode(payload))
        break
      case LogKind.File:
        this.#fileOf.set(number, indexIn(this.files, this.#text.decode(payload)))
        break
      case LogKind.Location:
        this.#locationOf.set(place, indexIn(this.locations, this.#text.decode(payload)))
        break
    }
  }
}

/** Return: where the text is in the list, at whose end it is put when it is new. */
function indexIn(list: string[], text: string): number {
  const index = list.indexOf(text)
  return index >= 0 ? index : list.push(text) - 1
}
