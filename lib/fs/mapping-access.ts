/** Loads and stores that may fail, and why they did. */
import { PmemError } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { VmaFlag } from '../mm/vma.js'
import { vmaAt } from './vm/address-space.js'
import { accessFailed } from './vm/populate.js'

export interface AccessFailure {
  readonly error: PmemError
  /** Of the first byte that failed, in the mapping. */
  readonly offset: number
}

/**
 * Copy from or to a mapping, with whatever signal that raises caught.
 *
 * base: address of the mapping; start: first byte in it; copy: a guarded copy of the addon; it tells how far it came,
 * or a negative errno when not even the first byte went.
 * Context: takes faults. Return: undefined, or the failure: EIO for a SIGBUS, EACCES and EFAULT for a SIGSEGV.
 */
export function accessMapping(
  machine: Machine,
  base: number,
  start: number,
  length: number,
  syscall: string,
  copy: (addon: Machine['addon'], address: number) => number,
): AccessFailure | undefined {
  const copied = length === 0 ? 0 : copy(machine.addon, base + start)
  if (copied === length) return undefined
  const offset = start + Math.max(copied, 0)
  return { error: explain(machine, base + offset, offset, syscall), offset }
}

/** Is nothing said against a store here? What is not mapped is for the access itself to find out. */
export function isWritable(machine: Machine, address: number): boolean {
  const vma = vmaAt(machine, address)
  return vma === 0 || (machine.vmas.flagsOf(vma) & VmaFlag.Write) !== 0
}

function explain(machine: Machine, address: number, offset: number, syscall: string): PmemError {
  const vma = vmaAt(machine, address)
  if (vma === 0) return new PmemError('EFAULT', syscall, 'this part of the mapping was unmapped')
  const write = syscall === 'tryWrite'
  const needed = write ? VmaFlag.Write : VmaFlag.Read | VmaFlag.Write | VmaFlag.Exec
  if ((machine.vmas.flagsOf(vma) & needed) === 0) {
    return new PmemError('EACCES', syscall, 'the protection of the mapping forbids it')
  }
  accessFailed(machine, address, write)
  return new PmemError('EIO', syscall, `SIGBUS at offset ${offset} of the mapping`)
}
