/**
 * The explorer against a slow reference that does what the model says, word for word: at every operation, every image,
 * by brute force. Random programs of several threads, with non-temporal stores, acknowledgements and both domains.
 */
import { expect } from 'chai'
import { type Domain, type Region, explore } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { seedFor } from '../support/seed.js'

const PROGRAMS = 150
const SIZE = 256
const LINE = 64

type Step =
  | { kind: 'store'; thread: number; at: number; bytes: number[]; nonTemporal: boolean }
  | { kind: 'flush'; thread: number; line: number }
  | { kind: 'fence'; thread: number }
  | { kind: 'acknowledge'; id: string }

function randomProgram(random: Prng): Step[] {
  const length = 4 + random.below(9)
  return Array.from({ length }, (_, i): Step => {
    const thread = 1 + random.below(2)
    const kind = random.below(10)
    if (kind < 5) {
      const size = [1, 4, 8, 12][random.below(4)] as number
      const at = random.below(3) * LINE + [0, 4, 8, 58][random.below(4)]!
      const bytes = Array.from({ length: size }, () => 1 + random.below(2))
      return { kind: 'store', thread, at, bytes, nonTemporal: random.chance(0.25) }
    }
    if (kind < 7) return { kind: 'flush', thread, line: random.below(4) }
    return kind < 9 ? { kind: 'fence', thread } : { kind: 'acknowledge', id: `${i}` }
  })
}

function check(image: Buffer, acknowledged: ReadonlySet<string>): boolean {
  let hash = acknowledged.size
  for (const byte of image) hash = (Math.imul(hash, 31) + byte) | 0
  return hash % 5 !== 0
}

/** An atom with what is known of it: its order in its line, and whether it is durable. */
interface Atom {
  readonly at: number
  readonly bytes: readonly number[]
  readonly thread: number
  readonly nonTemporal: boolean
  durable: boolean
  readonly flushedBy: Set<number>
}

class Reference {
  readonly images = new Set<string>()
  readonly bad = new Set<string>()
  readonly #atoms: Atom[] = []
  readonly #acknowledged = new Set<string>()

  constructor(
    program: readonly Step[],
    private readonly domain: Domain,
  ) {
    for (const step of program) {
      this.#crash()
      this.#apply(step)
    }
    this.#crash()
  }

  #apply(step: Step): void {
    if (step.kind === 'acknowledge') this.#acknowledged.add(step.id)
    else if (step.kind === 'store') {
      let group: Atom | undefined
      for (const [i, byte] of step.bytes.entries()) {
        const at = step.at + i
        const { thread, nonTemporal } = step
        if (group === undefined || at % 8 === 0) {
          group = { at, bytes: [], thread, nonTemporal, durable: false, flushedBy: new Set() }
          group.durable = this.domain === 'eadr' && !nonTemporal
          this.#atoms.push(group)
        }
        ;(group.bytes as number[]).push(byte)
      }
    } else if (step.kind === 'flush') {
      for (const atom of this.#atoms) if (Math.floor(atom.at / LINE) === step.line) atom.flushedBy.add(step.thread)
    } else {
      for (const atom of this.#atoms) {
        const isDone = atom.nonTemporal ? atom.thread === step.thread : atom.flushedBy.has(step.thread)
        atom.durable ||= isDone
      }
    }
  }

  #crash(): void {
    const lines = [0, 1, 2, 3].map((line) => this.#contents(line))
    const states = lines.reduce<string[]>((all, line) => all.flatMap((head) => line.map((tail) => head + tail)), [''])
    for (const image of states) {
      this.images.add(image)
      if (!check(Buffer.from(image, 'hex'), this.#acknowledged)) this.bad.add(image)
    }
  }

  #contents(line: number): string[] {
    const atoms = this.#atoms.filter(({ at }) => Math.floor(at / LINE) === line)
    const found = new Set<string>()
    const ordinary = atoms.filter(({ nonTemporal }) => !nonTemporal)
    const free = atoms.filter(({ nonTemporal, durable }) => nonTemporal && !durable)
    const certain = ordinary.findLastIndex(({ durable }) => durable) + 1
    for (let prefix = certain; prefix <= ordinary.length; prefix++) {
      for (let subset = 0; subset < 1 << free.length; subset++) {
        const content = Buffer.alloc(LINE)
        for (const atom of atoms) {
          const isThere = free.includes(atom)
            ? (subset >> free.indexOf(atom)) & 1
            : atom.nonTemporal || ordinary.indexOf(atom) < prefix
          if (isThere) content.set(atom.bytes, atom.at % LINE)
        }
        found.add(content.toString('hex'))
      }
    }
    return [...found]
  }
}

function play(pool: Region, program: readonly Step[]): void {
  for (const step of program) {
    if (step.kind === 'acknowledge') pool.acknowledged(step.id)
    else {
      pool.asThread(step.thread)
      if (step.kind === 'flush') pool.flush(step.line * LINE, LINE)
      else if (step.kind === 'fence') pool.fence()
      else if (step.nonTemporal) pool.storeNT(step.at, Uint8Array.from(step.bytes))
      else pool.store(step.at, Uint8Array.from(step.bytes))
    }
  }
}

describe('exhaustive exploration', () => {
  for (const domain of ['adr', 'eadr'] as const) {
    it(`finds the images and the bad ones that brute force finds (${domain})`, async () => {
      const title = `brute force ${domain}`
      const random = new Prng(seedFor(title))
      for (let round = 0; round < PROGRAMS; round++) {
        const program = randomProgram(random)
        // Under eADR a store of several atoms can be seen in part; one atom at a time makes both sides look alike.
        const played = domain === 'eadr' ? program.flatMap(oneAtomAtATime) : program
        const reference = new Reference(played, domain)
        const { counts } = await explore(
          {
            size: SIZE,
            workload: (pool) => {
              pool.mark('start')
              play(pool, played)
            },
            check: (image: Buffer, { acknowledged }) => check(image, acknowledged),
          },
          { domain, maxBad: Infinity },
        )
        const found = [counts.images, counts.bad]
        expect(found, JSON.stringify(played)).to.deep.equal([reference.images.size, reference.bad.size])
      }
    })
  }
})

function oneAtomAtATime(step: Step): Step[] {
  if (step.kind !== 'store') return [step]
  const steps: Step[] = []
  for (const [i, byte] of step.bytes.entries()) {
    const at = step.at + i
    const last = steps.at(-1)
    if (last?.kind === 'store' && at % 8 !== 0) last.bytes.push(byte)
    else steps.push({ ...step, at, bytes: [byte] })
  }
  return steps
}
