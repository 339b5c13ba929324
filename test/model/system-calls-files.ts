/** Calls on files: what the real one does, and what the reference says it must do. */
import { expect } from 'chai'
import { copyFileRange } from '../../lib/fs/copy-range.js'
import { seekFile } from '../../lib/fs/seek.js'
import type { Operation } from './system-calls-operations.js'
import { PAGE, ReferenceFile, pagesIn } from './system-calls-reference.js'
import { type Open, type Outcome, type World, attempt, expectBytes, outcomeOf, pattern } from './system-calls-world.js'

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>

const OPENS_MAX = 4

export function pick<Item>(items: readonly Item[], number: number): Item | undefined {
  return items[number % Math.max(1, items.length)]
}

export function open(world: World, it: Of<'open'>): void {
  if (world.opens.length >= OPENS_MAX) return
  const known = world.named(it.name)
  let expected = 'ok'
  if (known === undefined && !it.create) expected = 'ENOENT'
  if (known !== undefined && it.create && it.exclusive) expected = 'EEXIST'
  const { name, create, exclusive, size, readOnly } = it
  const options = { create, exclusive, size, readOnly, maxSize: world.reserve }
  const outcome = attempt(() => world.pmem.open(name, options))
  expect(outcome.code).to.equal(expected)
  if (expected !== 'ok') return
  const file = known ?? new ReferenceFile(name, size)
  if (known === undefined) world.files.push(file)
  file.users++
  const opened = { real: outcome.value as Open['real'], file, readOnly }
  world.opens.push(opened)
  if (file.tailMayBeGone) world.adoptTail(file, opened.real.inode)
}

export function close(world: World, it: Of<'close'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  opened.real.close()
  expect(attempt(() => opened.real.size).code).to.equal('EBADF')
  world.opens = world.opens.filter((other) => other !== opened)
  world.release(opened.file)
}

export function unlink(world: World, it: Of<'unlink'>): void {
  const file = world.named(it.name)
  const outcome = attempt(() => world.pmem.unlink(it.name))
  expect(outcome.code).to.equal(file === undefined ? 'ENOENT' : 'ok')
  if (file !== undefined) dropName(world, file)
}

export function rename(world: World, it: Of<'rename'>): void {
  const file = world.named(it.name)
  const outcome = attempt(() => world.pmem.rename(it.name, it.to))
  expect(outcome.code).to.equal(file === undefined ? 'ENOENT' : 'ok')
  if (file === undefined || it.name === it.to) return
  const replaced = world.named(it.to)
  if (replaced !== undefined) dropName(world, replaced)
  file.name = it.to
}

function dropName(world: World, file: ReferenceFile): void {
  file.name = undefined
  if (file.users === 0) world.files = world.files.filter((other) => other !== file)
}

export function truncate(world: World, it: Of<'truncate'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  const expected = opened.readOnly ? 'EBADF' : it.size > world.reserve ? 'EFBIG' : 'ok'
  expect(attempt(() => opened.real.truncate(it.size)).code).to.equal(expected)
  if (expected !== 'ok') return
  opened.file.truncate(it.size)
  world.cutCopies(opened.file)
  expect(opened.real.size).to.equal(it.size)
}

export function fallocate(world: World, it: Of<'fallocate'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  const { file } = opened
  const shifts = it.mode === 'collapse' || it.mode === 'insert'
  // Whole pages now and then, or collapse and insert would hardly ever do anything.
  const at = shifts && it.length !== 100 ? it.at - (it.at % PAGE) : it.at
  const length = shifts && it.length !== 100 ? pagesIn(it.length) * PAGE : it.length
  const before = opened.real.stat()
  const outcome = attempt(() =>
    opened.real.fallocate({ mode: it.mode, offset: at, length, keepSize: it.keepSize && it.mode !== 'punch' }),
  )
  if (outcome.code === 'ENOSPC') {
    world.expectNoSpace(pagesIn(at + length) - Math.floor(at / PAGE))
    expect(opened.real.size).to.equal(before.size)
    expect(opened.real.stat().blocks, 'blocks after a fallocate that failed').to.equal(before.blocks)
    return
  }
  expect(outcome.code).to.equal(fallocateError(world, opened, it, at, length) ?? 'ok')
  if (outcome.code === 'ok') allocateReference(world, file, it, at, length)
  expect(opened.real.size).to.equal(file.size)
}

function fallocateError(
  world: World,
  { file, readOnly }: Open,
  it: Of<'fallocate'>,
  at: number,
  length: number,
): string | undefined {
  const shifts = it.mode === 'collapse' || it.mode === 'insert'
  if (readOnly) return 'EBADF'
  if (shifts && it.keepSize) return 'EOPNOTSUPP'
  if (at + length > world.reserve) return 'EFBIG'
  if (!shifts) return undefined
  if (at % PAGE !== 0 || length % PAGE !== 0) return 'EINVAL'
  if (it.mode === 'collapse' ? at + length >= file.size : at >= file.size) return 'EINVAL'
  return it.mode === 'insert' && file.size + length > world.reserve ? 'EFBIG' : undefined
}

function allocateReference(world: World, file: ReferenceFile, it: Of<'fallocate'>, at: number, length: number): void {
  switch (it.mode) {
    case 'punch':
      file.zero(at, Math.min(at + length, pagesIn(file.size) * PAGE))
      break
    case 'zero':
      file.zero(at, at + length)
      if (!it.keepSize) file.extend(at + length, false)
      break
    case 'allocate':
      if (!it.keepSize) file.extend(at + length, false)
      break
    case 'collapse':
    case 'insert':
      file.shift(at, it.mode === 'insert' ? length : -length)
      if (world.isExt4) for (const mapping of world.mappingsOf(file)) mapping.dropCopiesFrom(at / PAGE)
      world.cutCopies(file)
      break
  }
}

export function fsync(world: World, it: Of<'fsync'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  if (it.data) opened.real.datasync()
  else opened.real.sync()
  opened.file.sync()
}

export function syncAll(world: World): void {
  world.pmem.sync()
  for (const file of world.files) file.sync()
}

export function fence(world: World): void {
  world.pmem.fence()
  for (const file of world.files) file.fence()
}

export function read(world: World, it: Of<'read'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  const bytes = new Uint8Array(it.length)
  const end = Math.min(opened.file.size, it.at + it.length)
  expect(opened.real.read(bytes, it.at)).to.equal(Math.max(0, end - it.at))
  if (end > it.at) expectBytes(bytes.subarray(0, end - it.at), opened.file.read(it.at, end), 'read', it.at)
}

export function write(world: World, it: Of<'write'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  const bytes = pattern(it.length, it.fill)
  const outcome = attempt(() => opened.real.write(bytes, it.at))
  if (opened.readOnly) expect(outcome.code).to.equal('EBADF')
  else expectWritten(world, opened.file, outcome, it.at, bytes)
}

/** What a write of these bytes may answer; the reference follows it. */
export function expectWritten(
  world: World,
  file: ReferenceFile,
  outcome: Outcome,
  at: number,
  bytes: Uint8Array,
): void {
  if (bytes.length === 0) {
    expect(outcome).to.deep.equal({ code: 'ok', value: 0 })
    return
  }
  if (at >= world.reserve) {
    expect(outcome.code).to.equal('EFBIG')
    return
  }
  const room = Math.min(bytes.length, world.reserve - at)
  const done = outcome.code === 'ENOSPC' ? 0 : (outcome.value as number)
  if (outcome.code !== 'ENOSPC') expect(outcome.code).to.equal('ok')
  if (done !== room) {
    world.expectNoSpace(pagesIn(at + room) - Math.floor(at / PAGE))
    if (done > 0) expect((at + done) % PAGE, 'where the space ended').to.equal(0)
  }
  if (done === 0) return
  file.extend(at + done, world.isExt4)
  file.put(at, bytes.subarray(0, done))
}

export function copy(world: World, it: Of<'copy'>): void {
  const from = pick(world.opens, it.file)
  const to = pick(world.opens, it.target)
  if (from === undefined || to === undefined) return
  const outcome = outcomeOf(
    world.pmem.calls.run('copy_file_range', (machine) =>
      copyFileRange(machine, from.real.inode, it.at, to.real.inode, it.to, it.length),
    ),
  )
  const bytes = from.file.read(it.at, Math.min(it.at + it.length, from.file.size))
  if (from.file === to.file && Math.abs(it.at - it.to) < bytes.length) {
    expect(outcome.code).to.equal('EINVAL')
    return
  }
  expectWritten(world, to.file, outcome, it.to, bytes)
}

/** Whatever is skipped as a hole reads zero. */
export function seek(world: World, it: Of<'seek'>): void {
  const opened = pick(world.opens, it.file)
  if (opened === undefined) return
  const { file } = opened
  const found = seekFile(world.machine, opened.real.inode, it.at, it.whence)
  if (it.at >= file.size) {
    expect(outcomeOf(found).code).to.equal('ENXIO')
    return
  }
  if (it.whence === 'hole') expect(found).to.be.within(it.at, file.size)
  else {
    const end = found < 0 ? file.size : found
    expect(file.read(it.at, end).every((byte) => byte === 0)).to.equal(true, 'data in what SEEK_DATA skipped')
  }
}

export function crash(world: World, it: Of<'crash'>): void {
  world.pmem.crash({ survive: it.survive, seed: it.seed })
  for (const file of world.files) {
    const survivors = world.contents(file)
    expect(survivors.length, 'size after the crash').to.equal(file.size)
    const wrong = world.isZeroCopy ? file.crashMapped(survivors) : file.crash(survivors, it.survive === 'all')
    const name = file.name ?? '(unlinked)'
    if (wrong >= 0) expect.fail(`file ${name}: the line at ${wrong} survived as nothing it may have been`)
    for (const mapping of world.mappingsOf(file)) mapping.dropCopiesFrom(0)
  }
}
