/** Operations on mappings: mmap to pagemap. */
import { Page } from '../constants.js'
import { slotOf } from '../dax/slot.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { MapFlag, MremapFlag } from '../fs/vm/abi.js'
import { vmMadvise } from '../fs/vm/advise.js'
import { vmMincore, vmPages } from '../fs/vm/look.js'
import { type MmapRequest, vmMmap, vmMunmap } from '../fs/vm/map.js'
import { vmMlock, vmMunlock } from '../fs/vm/populate.js'
import { vmMprotect } from '../fs/vm/protect.js'
import { vmMremap } from '../fs/vm/remap.js'
import { vmMsync } from '../fs/vm/sync.js'
import { SlotState } from '../mm/slots.js'
import { type Access, type AccessResult, accessMemory } from './access.js'
import { childAccess, storeOverForked } from './child.js'
import { bytesOf } from './file-operations.js'
import { ADVICE_WORDS, MAP_WORDS, MREMAP_WORDS, MSYNC_WORDS, PROT_WORDS, bitsOf } from './flag-words.js'
import type { NamedMap } from './named-maps.js'
import { type Outcome, type PageRange, byteRuns, runLengths } from './record.js'
import { type Operation, ScenarioError } from './scenario.js'
import { NO_MAP, type Session, numberOf, outcomeOf, textOf } from './session.js'

/** Loads and stores of one operation. */
const ACCESSES_MAX = 2 ** 28

export function mmap(session: Session, operation: Operation): Outcome {
  const file = session.file(operation)
  if (file === undefined) return outcomeOf(-ErrorNumber.EBADF)
  const offset = numberOf(operation, 'off')
  const length = numberOf(operation, 'len')
  const prot = bitsOf(textOf(operation, 'prot', 'rw'), PROT_WORDS, 'prot')
  const flags = bitsOf(textOf(operation, 'flags', 'shared'), MAP_WORDS, 'flags')
  const over = textOf(operation, 'over')
  const under = over === '' ? undefined : session.maps.get(over)
  if (over !== '' && under === undefined) return NO_MAP
  const { inode, access, number } = file
  const request: MmapRequest = { inode, access, offset, length, prot, flags, file: number }
  const place =
    under === undefined
      ? { misalign: numberOf(operation, 'mis') }
      : { flags: flags | MapFlag.Fixed, address: under.address + numberOf(operation, 'at') }
  const result = session.call('mmap', (machine) => vmMmap(machine, { ...request, ...place }))
  if (result < 0) return outcomeOf(result)
  session.maps.set(textOf(operation, 'map'), result, length)
  return { ret: 0, align2m: (result - offset) % Page.PmdSize === 0 }
}

export function load(session: Session, operation: Operation): Outcome {
  const length = numberOf(operation, 'len')
  const step = numberOf(operation, 'step', 1)
  return access(session, operation, length, step, new Uint8Array(countOf(length, step)), false)
}

export function store(session: Session, operation: Operation): Outcome {
  const hex = textOf(operation, 'hex')
  const length = numberOf(operation, 'len', hex.length / 2)
  const step = numberOf(operation, 'step', 1)
  return access(session, operation, length, step, bytesOf(operation, countOf(length, step)), true)
}

function countOf(length: number, step: number): number {
  const count = Math.ceil(length / step)
  if (count > ACCESSES_MAX) throw new ScenarioError(`more than ${ACCESSES_MAX} accesses in one operation`)
  return count
}

function access(
  session: Session,
  operation: Operation,
  length: number,
  step: number,
  bytes: Uint8Array,
  write: boolean,
): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  const offset = numberOf(operation, 'off')
  const wanted: Access = { address: map.address + offset, length, step, write, bytes }
  const result = numberOf(operation, 'child') === 0 ? ownAccess(session, wanted) : childAccess(session, wanted)
  const runs = write ? {} : { runs: byteRuns(bytes.subarray(0, result.done), offset, step) }
  const { failure } = result
  if (failure === undefined) return { ret: length, ...runs }
  const { sig, code, codeName } = failure
  return { sig, code, code_name: codeName, at: failure.address - map.address, done: result.done * step, ...runs }
}

function ownAccess(session: Session, wanted: Access): AccessResult {
  return wanted.write && session.forkedPages.size > 0
    ? storeOverForked(session, wanted)
    : accessMemory(session.machine, wanted)
}

export function munmap(session: Session, operation: Operation): Outcome {
  return onMap(session, operation, 'munmap', vmMunmap)
}

export function mlock(session: Session, operation: Operation): Outcome {
  return onMap(session, operation, 'mlock', vmMlock)
}

export function munlock(session: Session, operation: Operation): Outcome {
  return onMap(session, operation, 'munlock', vmMunlock)
}

export function msync(session: Session, operation: Operation): Outcome {
  const flags = bitsOf(textOf(operation, 'flags', '0'), MSYNC_WORDS, 'flags')
  return onMap(session, operation, 'msync', (machine, address, length) => vmMsync(machine, address, length, flags))
}

export function mprotect(session: Session, operation: Operation): Outcome {
  const prot = bitsOf(textOf(operation, 'prot', 'none'), PROT_WORDS, 'prot')
  return onMap(session, operation, 'mprotect', (machine, address, length) => vmMprotect(machine, address, length, prot))
}

export function madvise(session: Session, operation: Operation): Outcome {
  const word = textOf(operation, 'advice')
  const known = Object.hasOwn(ADVICE_WORDS, word) ? ADVICE_WORDS[word] : undefined
  const advice = operation.numbers['advice_raw'] ?? known
  if (advice === undefined) throw new ScenarioError(`advice: unknown word '${word}'`)
  return onMap(session, operation, 'madvise', (machine, address, length) => vmMadvise(machine, address, length, advice))
}

export function mremap(session: Session, operation: Operation): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  const oldLength = numberOf(operation, 'oldlen')
  const newLength = numberOf(operation, 'newlen')
  const flags = bitsOf(textOf(operation, 'flags', '0'), MREMAP_WORDS, 'flags')
  const start = map.address + numberOf(operation, 'off')
  const misalign = numberOf(operation, 'mis')
  const target = (flags & MremapFlag.Fixed) !== 0 ? session.maps.place(newLength) + misalign : undefined
  const result = session.call('mremap', (machine) => vmMremap(machine, start, oldLength, newLength, flags, target))
  if (result < 0) return outcomeOf(result)
  session.maps.set(textOf(operation, 'to', map.name), result, newLength)
  return { ret: 0, moved: result !== start }
}

export function mincore(session: Session, operation: Operation): Outcome {
  const length = numberOf(operation, 'len')
  const out = new Uint8Array(Math.max(0, Math.ceil(length / Page.Size)))
  const outcome = onMap(session, operation, 'mincore', (machine, address) => vmMincore(machine, address, length, out))
  if (outcome.ret !== 0) return outcome
  return { ...outcome, vec: runLengths(Array.from(out, (page) => String(page & 1))) }
}

/** /proc/self/pagemap, and PAGEMAP_SCAN. */
export function pagemap(session: Session, operation: Operation): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  const offset = numberOf(operation, 'off')
  const letters = vmPages(session.machine, map.address + offset, numberOf(operation, 'len'))
  return { ret: 0, pages: runLengths(letters), scan: scanOf(session.machine, map, offset, letters) }
}

function scanOf(machine: Machine, map: NamedMap, offset: number, letters: string): PageRange[] {
  const ranges: PageRange[] = []
  for (let page = 0; page < letters.length; page++) {
    const letter = letters[page] as string
    if (letter === '.') continue
    const start = offset + page * Page.Size
    const huge = letter !== 'a' && isHuge(machine, map.address + start)
    const kind = `P${huge ? 'H' : '-'}${letter.toLowerCase() === 'z' ? 'Z' : '-'}`
    const last = ranges.at(-1)
    if (last?.[1] === start && last[2] === kind) last[1] = start + Page.Size
    else ranges.push([start, start + Page.Size, kind])
  }
  return ranges
}

function isHuge(machine: Machine, address: number): boolean {
  const vma = machine.vmas.acquire(address)
  if (vma === 0) return false
  const slot = slotOf(machine, vma, address)
  machine.vmas.unuse(vma)
  return slot === SlotState.HugeRead || slot === SlotState.HugeWrite
}

function onMap(
  session: Session,
  operation: Operation,
  call: string,
  work: (machine: Machine, address: number, length: number) => Errno,
): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  const address = map.address + numberOf(operation, 'off')
  return session.call(call, (machine) => outcomeOf(work(machine, address, numberOf(operation, 'len'))))
}
