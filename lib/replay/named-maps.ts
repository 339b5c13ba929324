/**
 * The mappings of a scenario by name. They lie a GiB or more apart, so that what follows a mapping is unmapped and an
 * address tells which one it belongs to.
 */
import type { TraceNaming } from '../trace/format.js'
import { ScenarioError } from './scenario.js'

const GIB = 2 ** 30
/** For places we choose: below those that mmap chooses, far from the heap, and above the shadow of AddressSanitizer. */
const AREA_START = 2 ** 44 + 2 ** 33
const AREA_END = 2 ** 45

/**
 * The kernel prints a pointer here, scrambled by a key that is new at each boot: it tells nothing about behaviour. The
 * reference records happen to carry that of the machine they were made on, and are compared as text.
 */
export const RECORDED_ZERO_FOLIO = '00000000f0348bfe'

export interface NamedMap {
  readonly name: string
  readonly address: number
  readonly length: number
}

export interface Alias {
  readonly from: number
  readonly length: number
  readonly to: number
}

export class NamedMaps implements TraceNaming {
  readonly zeroFolio = RECORDED_ZERO_FOLIO
  readonly #maps = new Map<string, NamedMap>()
  #next = AREA_START
  #alias: Alias | undefined

  get(name: string): NamedMap | undefined {
    return this.#maps.get(name)
  }

  /** The newest of a name counts, and the newest of those that overlap. */
  set(name: string, address: number, length: number): void {
    this.#maps.delete(name)
    this.#maps.set(name, { name, address, length })
  }

  /** Return: the start of a GiB with nothing of ours in it, nor after it up to `length`. Errors: ScenarioError. */
  place(length: number): number {
    const start = this.#next
    this.#next += (Math.ceil(Math.max(length, 1) / GIB) + 1) * GIB
    if (this.#next > AREA_END) throw new ScenarioError('no room for such a mapping')
    return start
  }

  /** From here on addresses of [from, from + length] go by the names of those at `to`: a child's copy. */
  setAlias(alias: Alias | undefined): void {
    this.#alias = alias
  }

  /** Return: 'm+4096', or hexadecimal for an address near no mapping. */
  address(address: number): string {
    const { from, length, to } = this.#alias ?? { from: 0, length: -1, to: 0 }
    const at = address >= from && address <= from + length ? to + address - from : address
    const map = this.#mapOf(at)
    return map === undefined ? `0x${at.toString(16)}` : `${map.name}+${at - map.address}`
  }

  /** Inside a mapping; or just after one (vm_end); or somewhere after one. */
  #mapOf(address: number): NamedMap | undefined {
    const newestFirst = [...this.#maps.values()].reverse()
    return (
      newestFirst.find((map) => address >= map.address && address < map.address + map.length) ??
      newestFirst.find((map) => address === map.address + map.length) ??
      newestFirst.find((map) => address >= map.address && address < map.address + GIB)
    )
  }
}
