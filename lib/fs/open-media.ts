/** The media file of a pmem file: found or made, in the directory of the pool. */
import { constants as hostConstants, rmSync } from 'node:fs'
import { PmemError, checkResult, isErrno } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { pathOf, removeNotes } from '../media/host-file-notes.js'
import { flag, hostError } from './pool-directory.js'

export interface OpenRequest {
  readonly name: string
  readonly create: boolean
  readonly exclusive: boolean
  readonly readOnly: boolean
  /** Size of a file that is created. */
  readonly size: number
  readonly mode: number
  /** Bytes the file may grow to while it is open; 0: chosen here. */
  readonly maxSize: number
}

export interface OpenedMedia {
  readonly fd: number
  readonly size: number
  readonly created: boolean
  readonly readOnly: boolean
}

/** Errors: ENOENT, EEXIST, EINVAL (not a regular file); EACCES, EROFS, EMFILE… of the host. Then nothing was made. */
export function openMedia(machine: Machine, request: OpenRequest): OpenedMedia {
  try {
    return openExisting(machine, request) ?? createMedia(machine, request)
  } catch (error) {
    throw hostError(error, 'open', request.name)
  }
}

/** An open that failed leaves no file it made. */
export function removeMedia(machine: Machine, name: string): void {
  rmSync(pathOf(machine.words.load(HeaderWord.PoolDirectory), name), { force: true })
}

function openExisting(machine: Machine, request: OpenRequest): OpenedMedia | undefined {
  const { addon } = machine
  let fd: number
  let readOnly = false
  try {
    fd = openBeneath(machine, request, 'O_RDWR')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    if (!request.readOnly || !isPermission(error)) throw error
    fd = openBeneath(machine, request, 'O_RDONLY')
    readOnly = true
  }
  return closedOnError(machine, fd, () => {
    if (request.create && request.exclusive) throw new PmemError('EEXIST', 'open', undefined, request.name)
    const { size, mode } = addon.fileStatus(fd)
    if ((mode & hostConstants.S_IFMT) === hostConstants.S_IFREG) return { fd, size, created: false, readOnly }
    throw new PmemError('EINVAL', 'open', 'not a regular file', request.name)
  })
}

function createMedia(machine: Machine, request: OpenRequest): OpenedMedia {
  const { addon, words } = machine
  const { name, size } = request
  if (!request.create) throw new PmemError('ENOENT', 'open', undefined, name)
  const fd = openBeneath(machine, request, 'O_RDWR', 'O_CREAT', 'O_EXCL')
  return closedOnError(machine, fd, () => {
    try {
      // Someone may have removed a file of that name without us.
      removeNotes(addon, words.load(HeaderWord.PoolDirectory), name)
      if (size > 0) checkResult(addon.truncateFile(fd, size), 'open', name)
    } catch (error) {
      removeMedia(machine, name)
      throw error
    }
    return { fd, size, created: true, readOnly: false }
  })
}

function openBeneath({ addon, words }: Machine, { name, mode }: OpenRequest, ...names: readonly string[]): number {
  const flags = names.reduce((all, each) => all | flag(addon.constants, each), 0)
  return addon.openBeneath(words.load(HeaderWord.PoolDirectory), name, flags, mode)
}

/** Look at a descriptor before it is given on; it does not outlive a failure. */
function closedOnError<Result>({ addon }: Machine, fd: number, look: () => Result): Result {
  try {
    return look()
  } catch (error) {
    addon.closeFd(fd)
    throw error
  }
}

function isPermission(error: unknown): boolean {
  return isErrno(error, 'EACCES') || isErrno(error, 'EROFS') || isErrno(error, 'EPERM')
}
