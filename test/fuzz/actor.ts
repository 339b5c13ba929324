/**
 * One thread of the fuzzer: draws calls from a seed, makes them, and looks at what comes back.
 *
 * The calls of a thread are the same for the same seed; what they meet depends on the other threads.
 */
import { mkdirSync } from 'node:fs'
import fc from 'fast-check'
import * as chai from '../../lib/crash/chai.js'
import * as faultline from '../../lib/index.js'
import type { DaxFile, MountHandle, Pmem } from '../../lib/index.js'
import type { Entry, Surface } from './surface.js'
import { CLASSES } from './table.js'
import { type Arg, CallbackError, OBJECT_KINDS, type ObjectKind, type World } from './values.js'
import { complaintAbout } from './verdict.js'

export interface Problem {
  readonly call: string
  readonly number: number
  readonly complaint: string
}

export interface Tally {
  calls: number
  /** By what came of them: 'returned', a code, the name of an error. */
  readonly outcomes: Record<string, number>
  readonly problems: Problem[]
}

interface Call {
  readonly name: string
  readonly entry: Entry
  /** Picks the object the call is made on. */
  readonly target: number
  readonly given: readonly Arg[]
}

/** Objects kept of a kind, closed ones among them. More live mounts would be more threads. */
const KEPT: Readonly<Record<ObjectKind, number>> = {
  Pmem: 3,
  DaxFile: 6,
  DaxMapping: 10,
  StoreRecorder: 2,
  Region: 3,
  StoreLog: 3,
}
const WEIGHT = 4
const DEPTH_MAX = 8

export class Actor implements World {
  readonly #calls: fc.Arbitrary<Call>
  readonly #objects = new Map<ObjectKind, object[]>(OBJECT_KINDS.map((kind) => [kind, []]))
  readonly #functions: Readonly<Record<string, unknown>>
  readonly #say: (text: string) => void
  #depth = 0

  /** say: told of each call before it is made; extra: functions to be called besides those of the package. */
  constructor(
    readonly scratch: string,
    surface: Surface,
    extra: Readonly<Record<string, unknown>>,
    say: (text: string) => void,
  ) {
    mkdirSync(scratch, { recursive: true })
    this.#functions = { ...faultline, ...chai, ...extra }
    this.#say = say
    this.#calls = fc.oneof(
      ...Object.entries(surface).map(([name, entry]) => ({
        weight: entry.weight ?? WEIGHT,
        arbitrary: fc.tuple(fc.nat(63), entry.args).map(([target, given]): Call => ({ name, entry, target, given })),
      })),
    )
  }

  pick(kind: ObjectKind, number: number): object | undefined {
    const objects = this.#objects.get(kind) ?? []
    return objects[number % Math.max(1, objects.length)]
  }

  meddle(number: number): void {
    // A listener that closes a mount is called again by the close.
    if (this.#depth >= DEPTH_MAX) return
    this.#depth++
    try {
      const kinds = ['DaxMapping', 'DaxFile', 'Pmem', 'StoreRecorder'] as const
      const target = this.pick(kinds[number % kinds.length] as ObjectKind, number >> 2)
      if (target instanceof faultline.DaxMapping) {
        if (number % 3 === 0 && target.mapped) target.mremap(4096)
        else target.unmap()
      } else (target as Disposable | undefined)?.[Symbol.dispose]()
    } catch (error) {
      if (!(error instanceof Error) || error instanceof faultline.BugError) throw error
    } finally {
      this.#depth--
    }
  }

  /** Make `count` calls on a mount. onCall: after each. */
  async run(handle: MountHandle, seed: number, count: number, onCall: () => void): Promise<Tally> {
    const tally: Tally = { calls: 0, outcomes: {}, problems: [] }
    for (const call of fc.sample(this.#calls, { numRuns: count, seed })) {
      if (!this.#hasMount()) this.#attach(handle)
      if (!(await this.#make(call, tally))) continue
      tally.calls++
      onCall()
    }
    this.#closeAll(tally)
    return tally
  }

  #hasMount(): boolean {
    return (this.#objects.get('Pmem') as Pmem[]).some((pmem) => !pmem.isClosed)
  }

  #attach(handle: MountHandle): void {
    try {
      this.#keep(faultline.attach(handle))
    } catch (error) {
      // EBADF: everybody has left. EAGAIN: no room for one more thread.
      if (!(error instanceof faultline.PmemError)) throw error
    }
  }

  /** Return: false when there was nothing to make the call on. */
  async #make({ name, entry, target, given }: Call, tally: Tally): Promise<boolean> {
    let text = name
    let outcome = 'returned'
    try {
      const subject = this.#subjectOf(name, target)
      if (subject === undefined) return false
      const values = given.map((arg) => arg.value(this))
      text = `${name}(${given.map((arg) => arg.text).join(', ')})`
      this.#say(`${tally.calls} on ${target}: ${text}`)
      const result = this.#invoke(name, subject, values)
      this.#keep(result instanceof Promise ? await result : result)
    } catch (error) {
      outcome = error instanceof faultline.PmemError ? error.code : error instanceof Error ? error.name : 'no error'
      const complaint = complaintAbout(error, entry)
      if (complaint !== undefined) tally.problems.push({ call: text, number: tally.calls, complaint })
    }
    tally.outcomes[outcome] = (tally.outcomes[outcome] ?? 0) + 1
    return true
  }

  /** Return: what the call is made on; undefined: there is none yet. */
  #subjectOf(name: string, target: number): object | undefined {
    const kind = /^(?:get )?(\w+)\./.exec(name)?.[1]
    if (kind === undefined) return this.#functions
    if (!this.#isLive(kind as ObjectKind)) this.#provide(kind as ObjectKind)
    return this.pick(kind as ObjectKind, target)
  }

  #isLive(kind: ObjectKind): boolean {
    return (this.#objects.get(kind) ?? []).some((object) => {
      if (object instanceof faultline.DaxFile) return object.isOpen
      if (object instanceof faultline.DaxMapping) return object.mapped
      return object instanceof faultline.StoreRecorder ? object.isActive : true
    })
  }

  /** Calls on closed objects are made anyway; most should have something to act on. */
  #provide(kind: ObjectKind): void {
    try {
      const pmem = (this.#objects.get('Pmem') as Pmem[]).find((each) => !each.isClosed)
      if (kind === 'Region') this.#keep(new faultline.Region(new Uint8Array(4096)))
      else if (kind === 'StoreLog') this.#keep(new faultline.StoreLog())
      else if (kind === 'StoreRecorder') this.#keep(pmem?.recordStores(new faultline.StoreLog()))
      else if (kind !== 'Pmem') {
        if (!this.#isLive('DaxFile')) this.#keep(pmem?.open('a.pm', { create: true, size: 2 ** 16 }))
        const files = this.#objects.get('DaxFile') as DaxFile[]
        const file = files.find(({ isOpen }) => isOpen)
        if (kind === 'DaxMapping' && file !== undefined) this.#keep(file.mmap({ length: 2 ** 17 }))
      }
    } catch (error) {
      if (!(error instanceof faultline.PmemError)) throw error
    }
  }

  #invoke(name: string, subject: object, values: readonly unknown[]): unknown {
    if (name.startsWith('new ')) return Reflect.construct(this.#functions[name.slice(4)] as () => unknown, [...values])
    const [, isGetter, member = name] = /^(get )?\w+\.(.+)$/.exec(name) ?? []
    const key = member === '[Symbol.dispose]' ? Symbol.dispose : member
    const found: unknown = Reflect.get(subject, key)
    return isGetter === undefined ? Reflect.apply(found as () => unknown, subject, values) : found
  }

  #keep(result: unknown): void {
    const kind = OBJECT_KINDS.find((each) => result instanceof CLASSES[each])
    const objects = this.#objects.get(kind as ObjectKind)
    if (objects === undefined || objects.includes(result as object)) return
    objects.push(result as object)
    if (objects.length <= KEPT[kind as ObjectKind]) return
    try {
      dispose(objects.shift())
    } catch (error) {
      if (!(error instanceof faultline.PmemError || error instanceof CallbackError)) throw error
    }
  }

  /** The mounts that are not ours alone too; others go on with them. */
  #closeAll(tally: Tally): void {
    for (const kind of ['StoreRecorder', 'DaxMapping', 'DaxFile', 'Pmem'] as const) {
      for (const object of this.#objects.get(kind)?.splice(0) ?? []) {
        try {
          dispose(object)
        } catch (error) {
          const complaint = complaintAbout(error, { args: fc.constant([]), codes: ['ENOSPC'] })
          if (complaint !== undefined) tally.problems.push({ call: `${kind} closed`, number: tally.calls, complaint })
        }
      }
    }
  }
}

function dispose(object: unknown): void {
  ;(object as Partial<Disposable> | undefined)?.[Symbol.dispose]?.()
}
