/** Calls on mappings, and loads and stores: what the real one does, and what the reference says it must do. */
import { expect } from 'chai'
import { MapFlag, Prot } from '../../lib/fs/vm/abi.js'
import { vmMmap, vmMunmap } from '../../lib/fs/vm/map.js'
import { expectWritten, fallocate, pick } from './system-calls-files.js'
import type { Operation } from './system-calls-operations.js'
import { PAGE, type ReferenceFile, ReferenceMapping, pagesIn } from './system-calls-reference.js'
import { type Mapped, type World, attempt, expectBytes, pattern } from './system-calls-world.js'

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>

const MAPPINGS_MAX = 6

export function mmap(world: World, it: Of<'mmap'>): void {
  const opened = pick(world.opens, it.file)
  const offset = it.at - (it.at % PAGE)
  const length = Math.min(it.length, world.reserve - offset)
  if (opened === undefined || length <= 0 || world.mapped.length >= MAPPINGS_MAX) return
  const { sharing, protection, sync, populate } = it
  if (sharing === 'shared' && world.setting.options.dirtyTracking === 'async' && !opened.readOnly) {
    // Without holes, or it would be tracked as ever.
    fallocate(world, { kind: 'fallocate', file: it.file, mode: 'allocate', at: offset, length, keepSize: false })
  }
  const options = { offset, length, sharing, protection, sync, populate }
  const refused = opened.readOnly && sharing === 'shared' && protection.includes('w')
  const outcome = attempt(() => opened.real.mmap(options))
  expect(outcome.code).to.equal(refused ? 'EACCES' : 'ok')
  if (refused) return
  const { file } = opened
  file.users++
  const model = new ReferenceMapping(file, offset, length, sharing === 'shared', !opened.readOnly, protection)
  world.mapped.push({ real: outcome.value as Mapped['real'], model, inode: opened.real.inode })
  if (populate) for (const page of model.pagesOf(0, length)) populatePage(model, page)
}

/** Return: can the page be had? Private pages that can be written get their copy. */
function populatePage(model: ReferenceMapping, page: number): boolean {
  const write = !model.shared && (model.stateOf(page)?.protection.includes('w') ?? false)
  if (model.refusal(page, write) !== undefined) return false
  if (write) model.copy(page)
  return true
}

export function unmap(world: World, it: Of<'unmap'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { buffer } = mapped.real
  mapped.real.unmap()
  expect(buffer.byteLength).to.equal(0)
  world.mapped = world.mapped.filter((other) => other !== mapped)
  world.release(mapped.model.file)
}

/** The range of an operation, cut to the mapping; whole: it begins with a page. */
function part({ model }: Mapped, it: { at: number; length: number }, whole: boolean): [at: number, length: number] {
  const inside = it.at % model.length
  const at = whole ? inside - (inside % PAGE) : inside
  return [at, Math.min(it.length, model.length - at)]
}

export function munmap(world: World, it: Of<'munmap'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const [at, length] = part(mapped, it, true)
  if (at === 0 && length === mapped.model.length) return
  mapped.real.munmap(at, length)
  for (const page of mapped.model.pagesOf(at, length)) mapped.model.setState(page, undefined)
}

export function mprotect(world: World, it: Of<'mprotect'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, true)
  const outcome = attempt(() => real.mprotect(at, length, it.protection))
  let expected = 'ok'
  for (const page of model.pagesOf(at, length)) {
    const state = model.stateOf(page)
    if (state === undefined) expected = 'ENOMEM'
    else if (it.protection.includes('w') && model.shared && !model.writableFile) expected = 'EACCES'
    if (state === undefined || expected !== 'ok') break
    model.setState(page, { ...state, protection: it.protection })
  }
  expect(outcome.code).to.equal(expected)
}

export function load(world: World, it: Of<'load'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, false)
  const { bytes: reached, refusal } = model.reach(at, length, false)
  const bytes = new Uint8Array(length)
  const outcome = attempt(() => real.tryRead(at, bytes))
  expect(outcome.code).to.equal(refusal ?? 'ok')
  if (refusal !== undefined) expect(outcome.offset, 'where the load failed').to.equal(at + reached)
  expectBytes(bytes.subarray(0, reached), model.load(at, reached), 'load', at)
}

export function store(world: World, it: Of<'store'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, false)
  const bytes = pattern(length, it.fill)
  const { bytes: reached, refusal } = model.reach(at, length, true)
  const outcome = attempt(() => real.tryWrite(at, bytes))
  const first = model.stateOf(Math.floor(at / PAGE))
  if (first !== undefined && !first.protection.includes('w')) {
    expect(outcome.code).to.equal('EACCES')
    return
  }
  let done = reached
  if (outcome.code === 'EIO' && outcome.offset !== undefined && outcome.offset < at + reached) {
    expect(model.shared, 'a copy needs no space').to.equal(true)
    world.expectNoSpace(1)
    done = outcome.offset - at
  } else {
    expect(outcome.code).to.equal(refusal ?? 'ok')
    if (refusal !== undefined) expect(outcome.offset, 'where the store failed').to.equal(at + reached)
  }
  model.store(at, bytes.subarray(0, done))
}

export function msync(world: World, it: Of<'msync'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, true)
  const pages = [...model.pagesOf(at, length)]
  const gap = pages.some((page) => model.stateOf(page) === undefined)
  expect(attempt(() => real.msync(at, length, { mode: it.mode })).code).to.equal(gap ? 'ENOMEM' : 'ok')
  if (it.mode !== 'sync' || !model.reachesFile) return
  for (const page of pages) {
    const start = model.offset + page * PAGE
    if (model.stateOf(page) !== undefined) model.file.sync(start, start + PAGE)
  }
}

export function flush(world: World, it: Of<'flush' | 'persist'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, false)
  if (it.kind === 'flush') real.flush(at, length)
  else real.persist(at, length)
  if (model.shared) model.file.flush(model.offset + at, model.offset + at + length)
  if (it.kind === 'persist') for (const file of world.files) file.fence()
}

/** Memory of a mapping and the range of a file overlap other than byte for byte: what comes out is undefined. */
function isTangled(
  model: ReferenceMapping,
  at: number,
  file: ReferenceFile,
  position: number,
  length: number,
): boolean {
  if (model.file !== file) return false
  const memory = model.offset + at
  return (
    Math.floor(memory / PAGE) < pagesIn(position + length) && Math.floor(position / PAGE) < pagesIn(memory + length)
  )
}

export function readInto(world: World, it: Of<'readInto'>): void {
  const opened = pick(world.opens, it.file)
  const mapped = pick(world.mapped, it.mapping)
  if (opened === undefined || mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, { at: it.start, length: it.length }, false)
  const { file } = opened
  if (isTangled(model, at, file, it.at, length)) return
  const wanted = Math.max(0, Math.min(length, file.size - it.at))
  const { bytes: reached } = model.reach(at, wanted, true)
  const outcome = attempt(() => opened.real.read(new Uint8Array(real.buffer, at, length), it.at))
  const code = wanted > 0 && reached === 0 ? 'EFAULT' : 'ok'
  const done = outcome.code === 'ok' ? (outcome.value as number) : 0
  if (done < reached) {
    expect(model.shared, 'a copy needs no space').to.equal(true)
    world.expectNoSpace(1)
    expect(outcome.code).to.equal(done > 0 ? 'ok' : 'EFAULT')
  } else {
    expect(outcome.code).to.equal(code)
    expect(done).to.equal(reached)
  }
  model.store(at, file.read(it.at, it.at + done))
}

export function writeFrom(world: World, it: Of<'writeFrom'>): void {
  const opened = pick(world.opens, it.file)
  const mapped = pick(world.mapped, it.mapping)
  if (opened === undefined || mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, { at: it.start, length: it.length }, false)
  const { file } = opened
  if (isTangled(model, at, file, it.at, length)) return
  const { bytes: reached } = model.reach(at, Math.min(length, Math.max(1, world.reserve - it.at)), false)
  const before = model.load(at, reached)
  const outcome = attempt(() => opened.real.write(new Uint8Array(real.buffer, at, length), it.at))
  if (opened.readOnly) expect(outcome.code).to.equal('EBADF')
  else if (reached === 0 && length > 0 && it.at < world.reserve) expect(outcome.code).to.equal('EFAULT')
  else {
    // Growing an xfs file zeroes what was past EOF, and then it is copied.
    const grows = outcome.code === 'ok' && it.at + (outcome.value as number) > file.size
    if (grows && !world.isExt4) file.setTail(new Uint8Array(file.tail.length))
    expectWritten(world, file, outcome, it.at, grows ? model.load(at, reached) : before)
    // A write that was cut short may have taken with it what was past EOF.
    if (reached < length) world.adoptTail(file, opened.real.inode)
  }
}

export function madvise(world: World, it: Of<'madvise'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const [at, length] = part(mapped, it, true)
  const pages = [...mapped.model.pagesOf(at, length)]
  const outcome = attempt(() => mapped.real.madvise(it.advice, at, length))
  if (it.advice === 'populate_read' || it.advice === 'populate_write') {
    expectPopulated(world, mapped.model, pages, it.advice === 'populate_write', outcome.code)
  } else expect(outcome.code).to.equal(adviseReference(mapped.model, pages, it.advice))
}

function expectPopulated(world: World, model: ReferenceMapping, pages: number[], write: boolean, code: string): void {
  for (const page of pages) {
    const state = model.stateOf(page)
    const allowed = state !== undefined && state.protection.includes(write ? 'w' : 'r')
    const refusal = allowed ? model.refusal(page, write) : undefined
    if (!allowed || refusal !== undefined) {
      // Before it came to that, there may have been no space.
      if (world.setting.tight && code === 'EFAULT') return
      expect(code).to.equal(state === undefined ? 'ENOMEM' : allowed ? 'EFAULT' : 'EINVAL')
      return
    }
    if (write) model.copy(page)
  }
  if (code === 'EFAULT' && write && model.shared) world.expectNoSpace(pages.length)
  else expect(code).to.equal('ok')
}

const ADVICE_CHANGES: Readonly<Record<string, readonly [set: string, clear: string]>> = {
  normal: ['', 'RS'],
  random: ['R', 'S'],
  nohugepage: ['N', ''],
  hugepage: ['', 'N'],
}

/** Return: what madvise answers. */
function adviseReference(model: ReferenceMapping, pages: readonly number[], advice: string): string {
  if (advice === 'hwpoison') return 'EPERM'
  let code = 'ok'
  for (const page of pages) {
    const state = model.stateOf(page)
    if (state === undefined) {
      code = 'ENOMEM'
      continue
    }
    if (advice === 'free' || advice === 'collapse') return 'EINVAL'
    if (advice === 'remove' && !model.reachesFile) return 'EACCES'
    const change = ADVICE_CHANGES[advice]
    if (change !== undefined) model.setState(page, { ...state, advice: changedAdvice(state.advice, change) })
    if (advice.startsWith('dontneed')) model.dropCopy(page)
    if (advice === 'remove') removePage(model.file, model.offset + page * PAGE)
  }
  return code
}

function removePage(file: ReferenceFile, offset: number): void {
  if (offset < file.size) file.zero(offset, offset + PAGE)
}

function changedAdvice(before: string, [set, clear]: readonly [string, string]): string {
  const letters = new Set([...before].filter((letter) => !clear.includes(letter)))
  for (const letter of set) letters.add(letter)
  return [...letters].sort().join('')
}

export function mremap(world: World, it: Of<'mremap'>): void {
  const mapped = pick(world.mapped, it.mapping)
  const length = mapped === undefined ? 0 : Math.min(it.length, world.reserve - mapped.model.offset)
  if (mapped === undefined || length <= 0) return
  const { model, real } = mapped
  const grows = pagesIn(length) > pagesIn(model.length)
  const blocker = it.blocked && grows ? block(world, mapped) : 0
  const outcome = attempt(() => real.mremap(length, { mayMove: it.mayMove }))
  if (blocker > 0) expect(vmMunmap(world.machine, blocker, PAGE)).to.equal(0)
  let expected = 'ok'
  if (model.stateOf(0) === undefined || (grows && !model.isWhole)) expected = 'EFAULT'
  else if (grows && blocker > 0 && !it.mayMove) expected = 'ENOMEM'
  expect(outcome.code).to.equal(expected)
  if (expected === 'ok') model.resize(length)
  expect(real.byteLength).to.equal(model.length)
}

/** Map a page right behind a mapping, so that it has to move. Return: its address. */
function block(world: World, { inode, model, real }: Mapped): number {
  const address = real.address + pagesIn(model.length) * PAGE
  const flags = MapFlag.Private | MapFlag.FixedNoReplace
  const place = { inode, access: 'r', offset: 0, length: PAGE, prot: Prot.None, flags, address, file: 1 } as const
  const blocker = vmMmap(world.machine, place)
  expect(blocker).to.equal(address)
  return blocker
}

export function mlock(world: World, it: Of<'mlock'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, false)
  const outcome = attempt(() => (it.lock ? real.mlock(at, length) : real.munlock(at, length)))
  const pages = [...model.pagesOf(at, length)]
  const gap = pages.some((page) => model.stateOf(page) === undefined)
  const had = gap || !it.lock || pages.every((page) => populatePage(model, page))
  expect(outcome.code).to.equal(gap || !had ? 'ENOMEM' : 'ok')
}

export function mincore(world: World, it: Of<'mincore'>): void {
  const mapped = pick(world.mapped, it.mapping)
  if (mapped === undefined) return
  const { model, real } = mapped
  const [at, length] = part(mapped, it, true)
  const pages = [...model.pagesOf(at, length)]
  const gap = pages.some((page) => model.stateOf(page) === undefined)
  const outcome = attempt(() => real.mincore(at, length))
  expect(outcome.code).to.equal(gap ? 'ENOMEM' : 'ok')
  if (gap) return
  const core = outcome.value as Uint8Array
  pages.forEach((page, i) => {
    const past = model.offset + page * PAGE >= model.file.size
    if (past) expect(core[i], 'in core past EOF').to.equal(0)
  })
}
