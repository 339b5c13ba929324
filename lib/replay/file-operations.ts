/** Operations on files: open to fillfs. */
import { Page } from '../constants.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import { type Errno, ErrorNumber, PmemError } from '../errors.js'
import { copyFileRange } from '../fs/copy-range.js'
import { fallocateFile } from '../fs/fallocate.js'
import { getInode, putInode, withLiveInodes } from '../fs/inode-cache.js'
import { renameFile, unlinkFile } from '../fs/names.js'
import { readBytes, writeBytes } from '../fs/read-write.js'
import { seekFile } from '../fs/seek.js'
import { setSize } from '../fs/set-size.js'
import { syncFile, syncRange } from '../fs/sync.js'
import { FALLOCATE_WORDS, OPEN_WORDS, OpenBit, bitsOf } from './flag-words.js'
import { type Outcome, byteRuns } from './record.js'
import type { Operation } from './scenario.js'
import { NO_MAP, type OpenFile, type Session, numberOf, outcomeOf, textOf } from './session.js'

/** Address space for each file: how far it may grow. */
const FILE_BYTES_MAX = 2 * 2 ** 40
/** More in one call is refused: the buffer is ours. */
const BUFFER_BYTES_MAX = 2 ** 30

export type Handler = (session: Session, operation: Operation) => Outcome

const EBADF: Outcome = outcomeOf(-ErrorNumber.EBADF)
const EINVAL: Outcome = outcomeOf(-ErrorNumber.EINVAL)

export function open(session: Session, operation: Operation): Outcome {
  const flags = bitsOf(textOf(operation, 'flags'), OPEN_WORDS, 'flags')
  const path = textOf(operation, 'path')
  const access = (flags & OpenBit.WriteOnly) !== 0 ? 'w' : (flags & OpenBit.ReadOnly) !== 0 ? 'r' : 'rw'
  return session.call('open', (machine) => {
    let inode: number
    let created: boolean
    try {
      ;({ inode, created } = getInode(machine, {
        name: path,
        create: (flags & OpenBit.Create) !== 0,
        exclusive: (flags & OpenBit.Exclusive) !== 0,
        readOnly: access === 'r',
        size: 0,
        mode: 0o644,
        maxSize: FILE_BYTES_MAX,
      }))
    } catch (error) {
      if (error instanceof PmemError) return outcomeOf(-error.errno)
      throw error
    }
    if ((flags & OpenBit.Truncate) !== 0 && !created) setSize(machine, inode, 0)
    const number = ++session.opens
    const append = (flags & OpenBit.Append) !== 0
    const fd = textOf(operation, 'fd')
    closeFile(session, fd)
    session.files.set(fd, { inode, number, access, append, sync: (flags & OpenBit.Sync) !== 0 })
    session.observer.add(path, inode)
    return outcomeOf(0)
  })
}

export function close(session: Session, operation: Operation): Outcome {
  return session.call('close', () => (closeFile(session, textOf(operation, 'fd')) ? outcomeOf(0) : EBADF))
}

function closeFile(session: Session, fd: string): boolean {
  const file = session.files.get(fd)
  if (file === undefined) return false
  session.files.delete(fd)
  putInode(session.machine, file.inode)
  return true
}

export function unlink(session: Session, operation: Operation): Outcome {
  return session.call('unlink', (machine) => outcomeOf(unlinkFile(machine, textOf(operation, 'path'))))
}

export function rename(session: Session, operation: Operation): Outcome {
  return session.call('rename', (machine) =>
    outcomeOf(renameFile(machine, textOf(operation, 'path'), textOf(operation, 'to'))),
  )
}

export function fsync(session: Session, operation: Operation): Outcome {
  return onFile(session, operation, 'fsync', ({ inode }) => syncFile(session.machine, inode))
}

export function ftruncate(session: Session, operation: Operation): Outcome {
  const size = numberOf(operation, 'len')
  return onFile(session, operation, 'ftruncate', ({ inode, access }) =>
    access === 'r' || size < 0 ? -ErrorNumber.EINVAL : setSize(session.machine, inode, size),
  )
}

export function fallocate(session: Session, operation: Operation): Outcome {
  const mode = bitsOf(textOf(operation, 'mode', '0'), FALLOCATE_WORDS, 'mode')
  return onFile(session, operation, 'fallocate', ({ inode, access }) =>
    access === 'r'
      ? -ErrorNumber.EBADF
      : fallocateFile(session.machine, inode, mode, numberOf(operation, 'off'), numberOf(operation, 'len')),
  )
}

export function pread(session: Session, operation: Operation): Outcome {
  const file = session.file(operation)
  if (file === undefined || file.access === 'w') return EBADF
  const offset = numberOf(operation, 'off')
  if (offset < 0) return EINVAL
  const buffer = new Uint8Array(Math.min(BUFFER_BYTES_MAX, numberOf(operation, 'len')))
  const outcome = session.call('pread', (machine) =>
    outcomeOf(readBytes(machine, file.inode, machine.addon.addressOf(buffer), buffer.length, offset)),
  )
  if (outcome.errno !== undefined) return outcome
  return { ...outcome, runs: byteRuns(buffer.subarray(0, outcome.ret), offset) }
}

export function pwrite(session: Session, operation: Operation): Outcome {
  const bytes = bytesOf(operation)
  return write(session, operation, session.machine.addon.addressOf(bytes), bytes.length)
}

/** read() into a mapping. */
export function readInto(session: Session, operation: Operation): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  const file = session.file(operation)
  if (file === undefined || file.access === 'w') return EBADF
  const [offset, length] = [numberOf(operation, 'off'), numberOf(operation, 'len')]
  if (offset < 0 || length < 0) return EINVAL
  const address = map.address + numberOf(operation, 'moff')
  return session.call('read', (machine) => outcomeOf(readBytes(machine, file.inode, address, length, offset)))
}

/** write() from a mapping. */
export function writeFrom(session: Session, operation: Operation): Outcome {
  const map = session.map(operation)
  if (map === undefined) return NO_MAP
  return write(session, operation, map.address + numberOf(operation, 'moff'), numberOf(operation, 'len'))
}

function write(session: Session, operation: Operation, address: number, length: number): Outcome {
  const file = session.file(operation)
  if (file === undefined || file.access === 'r') return EBADF
  if (numberOf(operation, 'off') < 0 || length < 0) return EINVAL
  return session.call('write', (machine) => {
    const offset = file.append ? machine.inodes.sizeOf(file.inode) : numberOf(operation, 'off')
    const written = writeBytes(machine, file.inode, address, length, offset)
    if (written <= 0 || !file.sync) return outcomeOf(written)
    const last = Math.floor((offset + written - 1) / Page.Size)
    const error = syncRange(machine, file.inode, Math.floor(offset / Page.Size), Math.min(last, LAST_INDEX - 1))
    return outcomeOf(error < 0 ? error : written)
  })
}

export function seek(session: Session, operation: Operation): Outcome {
  const whence = textOf(operation, 'whence', 'data') === 'hole' ? 'hole' : 'data'
  return onFile(session, operation, 'lseek', ({ inode }) =>
    seekFile(session.machine, inode, numberOf(operation, 'off'), whence),
  )
}

export function statx(session: Session, operation: Operation): Outcome {
  return { ...onFile(session, operation, 'statx', () => 0), dax: true }
}

export function copyRange(session: Session, operation: Operation): Outcome {
  const target = session.file(operation)
  const source = session.file(operation, 'src')
  if (target === undefined || source === undefined) return EBADF
  if (target.access === 'r' || source.access === 'w' || target.append) return EBADF
  const [to, from, length] = [numberOf(operation, 'off'), numberOf(operation, 'soff'), numberOf(operation, 'len')]
  if (to < 0 || from < 0 || length < 0) return EINVAL
  return session.call('copy_file_range', (machine) =>
    outcomeOf(copyFileRange(machine, source.inode, from, target.inode, to, length)),
  )
}

/** FICLONE: there is nothing here that two files could share. */
export function clone(session: Session, operation: Operation): Outcome {
  if (session.file(operation) === undefined || session.file(operation, 'src') === undefined) return EBADF
  return outcomeOf(-ErrorNumber.EOPNOTSUPP)
}

/** sync(2). Dropping caches after it changes nothing: DAX has no page cache, and its entries stay. */
export function sync(session: Session): Outcome {
  return session.call('sync', (machine) => {
    withLiveInodes(machine, (inodes) => inodes.forEach((inode) => syncFile(machine, inode)))
    return outcomeOf(0)
  })
}

const FILLER = 'filler'

/** Take all space: fallocate ever smaller pieces until 4 KiB fail, then give `leave` bytes back. */
export function fillfs(session: Session, operation: Operation): Outcome {
  return session.call('fillfs', (machine) => {
    const request = { create: true, exclusive: false, readOnly: false, size: 0, mode: 0o644, maxSize: FILE_BYTES_MAX }
    if (session.filler === 0) session.filler = getInode(machine, { name: FILLER, ...request }).inode
    const inode = session.filler
    let end = Math.ceil(machine.inodes.sizeOf(inode) / Page.Size) * Page.Size
    for (let piece = 2 ** 30; piece >= Page.Size;) {
      if (fallocateFile(machine, inode, 0, end, piece) < 0) piece /= 2
      else end += piece
    }
    const leave = numberOf(operation, 'leave')
    if (leave > 0) setSize(machine, inode, Math.max(0, end - leave))
    return outcomeOf(0)
  })
}

export function freefill(session: Session): Outcome {
  return session.call('unlink', (machine) => {
    if (session.filler === 0) return outcomeOf(-ErrorNumber.ENOENT)
    const error = unlinkFile(machine, FILLER)
    putInode(machine, session.filler)
    session.filler = 0
    return outcomeOf(error)
  })
}

/** The bytes a store or a write puts: hex as it is, repeated to the length if there is one, else the same byte. */
export function bytesOf(operation: Operation, count?: number): Uint8Array {
  const hex = textOf(operation, 'hex')
  const pattern = hex === '' ? Uint8Array.of(numberOf(operation, 'fill')) : Uint8Array.from(Buffer.from(hex, 'hex'))
  const wanted = count ?? numberOf(operation, 'len', hex === '' ? 0 : pattern.length)
  const bytes = new Uint8Array(Math.min(BUFFER_BYTES_MAX, wanted))
  for (let i = 0; i < bytes.length; i++) bytes[i] = pattern[i % pattern.length] as number
  return bytes
}

function onFile(session: Session, operation: Operation, call: string, work: (file: OpenFile) => Errno): Outcome {
  const file = session.file(operation)
  return file === undefined ? EBADF : session.call(call, () => outcomeOf(work(file)))
}
