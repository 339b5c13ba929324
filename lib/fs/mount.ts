/** Mounting a pool, and attaching to a mount of another thread. */
import { isAbsolute, resolve } from 'node:path'
import { requireString } from '../args.js'
import { SHARED_REASON, SHARED_REMEDY, sharedFileSystemOf } from '../binding/file-system.js'
import { addon } from '../binding/load.js'
import { PROC_REASON, PROC_REMEDY, hasProc } from '../binding/probe-host.js'
import { explainRefusal } from '../binding/refusal.js'
import { type MountOptions, resolveConfig } from '../config.js'
import { Page } from '../constants.js'
import { PmemError, isErrno } from '../errors.js'
import { startFaultWorkers } from '../fault/fault-pool.js'
import {
  HeaderWord,
  type MachineHandle,
  MachineState,
  createMachineBuffer,
  isHandle,
  openMachine,
  sealHandle,
} from '../fault/machine.js'
import { AtomicWords } from '../sync/shared-words.js'
import { setNumber } from '../sync/wide.js'
import { openAsyncTracking } from './async-tracking.js'
import { warnOfDamagedNotes } from './damaged-notes.js'
import { allocatedPagesOf, hostError, openPool } from './pool-directory.js'
import { closeStoreTrace, openStoreTrace } from './store-tracing.js'
import { ifEnded, passDoor } from './time-limit.js'
import { type MountHandle, Pmem } from './pmem.js'
import { decideZeroCopy, dropZeroPages } from './zero-copy.js'

/**
 * Mount a pool: a directory of media files, made if it is not there.
 *
 * Context: starts the fault workers and waits for them; the calling thread's event loop is not needed.
 * Errors: TypeError, RangeError for options; EBUSY (mounted already, with the owner's pid), ENOSPC (its files hold more
 * than `capacity`), EACCES, EROFS, ENOTDIR… of the host; EPERM, ENOSYS, ENOTSUP without userfaultfd (see `probe`);
 * ENOTSUP with the reason where stores cannot be traced (option stores), first stores not tracked asynchronously
 * (option dirtyTracking), pools not on tmpfs not mapped themselves (option zeroCopy), and without /proc.
 */
export function mount(path: string, options?: MountOptions): Pmem {
  requireString('path', path)
  passDoor()
  const wanted = resolveConfig(options)
  if (!hasProc()) throw new PmemError('ENOTSUP', 'mount', `/proc is not mounted: ${PROC_REASON}; mend: ${PROC_REMEDY}`)
  const pool = openPool(addon, isAbsolute(path) ? path : resolve(path))
  let uffd = -1
  let asyncUffd = -1
  let stop = -1
  let log = 0
  const undo = (): void => {
    if (stop >= 0) {
      addon.signalEvent(stop)
      addon.closeFd(stop)
    }
    for (const fd of [asyncUffd, uffd]) if (fd >= 0) addon.closeFd(fd)
    closeStoreTrace(addon, log)
    addon.closeFd(pool.lock)
    addon.closeFd(pool.directory)
  }
  const settled = ifEnded(undo)
  try {
    const config = decideZeroCopy(wanted, pool.root)
    const buffer = createMachineBuffer(config)
    const words = new AtomicWords(buffer)
    const opened = addon.openUserfaultfd()
    uffd = opened.fd
    stop = addon.createEvent()
    words.store(HeaderWord.Uffd, uffd)
    words.store(HeaderWord.StopEvent, stop)
    words.store(HeaderWord.PoolDirectory, pool.directory)
    words.store(HeaderWord.PoolLock, pool.lock)
    addon.serveFromHere(
      uffd,
      pool.lock,
      new Int32Array(buffer),
      HeaderWord.State,
      HeaderWord.Users,
      MachineState.Live,
      MachineState.Dead,
      MachineState.Closed,
    )
    if (config.asyncTracking) {
      asyncUffd = openAsyncTracking(uffd)
      words.store(HeaderWord.AsyncUffd, asyncUffd)
    }
    setNumber(words, HeaderWord.Zeroes, addon.mapZeroes(Page.PmdSize))
    if (opened.way === 'user-mode-only') warnUserModeOnly()
    warnShared(pool.root)
    dropZeroPages(addon, pool)
    if (config.traced) log = openStoreTrace(addon, config.storeLogBytes)
    setNumber(words, HeaderWord.StoreLog, log)
    const handle: MachineHandle = { buffer, config, root: pool.root }
    sealHandle(words, handle)
    const machine = openMachine(addon, handle)
    if (machine.pfns.reserve(allocatedPagesOf(addon, pool, machine.pfns.capacityPages)) < 0) {
      throw new PmemError('ENOSPC', 'mount', 'the files of the pool hold more than the capacity', pool.root)
    }
    warnOfDamagedNotes(addon, pool)
    words.store(HeaderWord.Users, 1)
    startFaultWorkers(machine)
    words.store(HeaderWord.State, MachineState.Live)
    settled()
    return new Pmem(machine, true)
  } catch (error) {
    settled()
    undo()
    throw refusalOf(error, pool.root)
  }
}

/** An error of mount in the words of its user: without what it needs of userfaultfd why, and the ways out. */
function refusalOf(error: unknown, root: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  if (error.syscall === 'UFFDIO_API') {
    const feature = /userfaultfd feature .*/.exec(error.message)?.[0]
    if (feature !== undefined) return new PmemError('ENOTSUP', 'mount', `this kernel lacks it: ${feature}`, root)
  }
  const isFull = isErrno(error, 'EMFILE') || isErrno(error, 'ENFILE') || isErrno(error, 'ENOMEM')
  if (error.syscall !== 'userfaultfd' || !('errno' in error) || isFull) return hostError(error, 'mount', root)
  const { reason, waysOut } = explainRefusal(addon.probeUserfaultfd())
  return new PmemError(-Math.abs(error.errno as number), 'mount', `${reason}; mend: ${waysOut.join('; or: ')}`, root)
}

/**
 * Use a mount of another thread of this process: the same files, the same mappings' bytes, the same counters.
 * Errors: TypeError when it is not a handle; EAGAIN (maxThreads); EBADF when the mount is closed.
 */
export function attach(handle: MountHandle): Pmem {
  const given: unknown = handle
  const machine = (given as Partial<MountHandle> | null | undefined)?.machine
  if (!isHandle(machine)) {
    throw new TypeError('handle must be the handle of a mount of this process but received something else')
  }
  const opened = openMachine(addon, machine)
  opened.words.add(HeaderWord.Users, 1)
  return new Pmem(opened, false)
}

/** A pool on a file system of other hosts is let be, for tests and demonstrations; nothing about it can be promised. */
function warnShared(root: string): void {
  const shared = sharedFileSystemOf(root)
  if (shared === undefined) return
  process.emitWarning(`the pool '${root}' is on ${shared}: ${SHARED_REASON}; ${SHARED_REMEDY}`, {
    type: 'FaultlineWarning',
    code: 'FAULTLINE_SHARED_POOL',
  })
}

let warned = false

function warnUserModeOnly(): void {
  if (warned) return
  warned = true
  process.emitWarning(
    'no permission for full userfaultfd: system calls on mapped memory (fs.read into a mapping and the like) fail ' +
      'with EFAULT; loads and stores, DaxFile.read and DaxFile.write work. ' +
      'Run as root, or: sysctl vm.unprivileged_userfaultfd=1',
    { type: 'FaultlineWarning', code: 'FAULTLINE_USER_MODE_ONLY' },
  )
}
