/**
 * The public surface, and how to call every part of it at random.
 *
 * What there is comes from the modules of the package itself, by reflection; api.test.ts compares it with the table.
 * An entry says which arguments to try and which codes of PmemError its documentation names. EBADF (closed) and EIO
 * (the mount is dead, a bad page) belong to every call; TypeError and RangeError too, when they say what was expected.
 */
import type { Args } from './values.js'

export interface Entry {
  readonly args: Args
  /** Codes that the documentation names, beyond EBADF and EIO. */
  readonly codes?: readonly string[]
  /** Names of other documented errors. */
  readonly errors?: readonly string[]
  /** How often, among the entries of its kind. Default 4. */
  readonly weight?: number
}

/** 'name' of a function, 'new Class', 'Class.member', 'get Class.member'. */
export type Surface = Readonly<Record<string, Entry>>

/** Names of everything that can be called in the exports of a module. */
export function callables(exports: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(exports).flatMap(([name, value]) => {
    if (typeof value !== 'function') return []
    const prototype: unknown = value.prototype
    if (typeof prototype !== 'object' || prototype === null || !isClass(value)) return [name]
    const statics = Reflect.ownKeys(value).filter((key) => !['length', 'name', 'prototype'].includes(String(key)))
    return [`new ${name}`, ...statics.map((key) => `${name}::${String(key)}`), ...membersOf(name, prototype)]
  })
}

function isClass(value: object): boolean {
  return Function.prototype.toString.call(value).startsWith('class')
}

function membersOf(name: string, prototype: object): string[] {
  const found: string[] = []
  for (let at: unknown = prototype; isOurs(at); at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) {
      if (key === 'constructor') continue
      // Node 20 has its own description of it.
      const member = key === Symbol.dispose ? '[Symbol.dispose]' : String(key)
      const property: PropertyDescriptor = Object.getOwnPropertyDescriptor(at, key) ?? {}
      if (typeof property.value === 'function') found.push(`${name}.${member}`)
      if (property.get !== undefined) found.push(`get ${name}.${member}`)
      if (property.set !== undefined) found.push(`set ${name}.${member}`)
    }
  }
  return [...new Set(found)]
}

function isOurs(prototype: unknown): prototype is object {
  return typeof prototype === 'object' && prototype !== null && ![Object.prototype, Error.prototype].includes(prototype)
}
