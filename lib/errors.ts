/**
 * Errors of the emulated machine, as system calls report them. assert.ts is for our own bugs; args.ts for misuse.
 *
 * `code` is the stable part; messages may change. The table is our own because this file is used below the ports, where
 * no `node:` module may be imported. Numbers are those of Linux on x86-64 (test/unit/errors.test.ts compares them).
 */
import { assert } from './assert.js'

// prettier-ignore
const ERRNOS = {
  EPERM:        [1, 'operation not permitted'],
  ENOENT:       [2, 'no such file'],
  ESRCH:        [3, 'no such process or thread'],
  EINTR:        [4, 'interrupted'],
  EIO:          [5, 'input/output error'],
  ENXIO:        [6, 'no such device or address'],
  EBADF:        [9, 'bad file descriptor'],
  EAGAIN:       [11, 'try again'],
  ENOMEM:       [12, 'out of memory'],
  EACCES:       [13, 'permission denied'],
  EFAULT:       [14, 'bad address'],
  EBUSY:        [16, 'resource busy'],
  EEXIST:       [17, 'already exists'],
  EXDEV:        [18, 'crosses file systems'],
  ENODEV:       [19, 'no such device'],
  ENOTDIR:      [20, 'not a directory'],
  EISDIR:       [21, 'is a directory'],
  EINVAL:       [22, 'invalid argument'],
  ENFILE:       [23, 'too many open files in the system'],
  EMFILE:       [24, 'too many open files: raise ulimit -n'],
  ENOTTY:       [25, 'not supported by this descriptor'],
  ETXTBSY:      [26, 'file in use'],
  EFBIG:        [27, 'file too large'],
  ENOSPC:       [28, 'no space left in the pool'],
  ESPIPE:       [29, 'not seekable'],
  EROFS:        [30, 'the host file system is read-only: remount it, or use another place'],
  EMLINK:       [31, 'too many links'],
  ERANGE:       [34, 'out of range'],
  EDEADLK:      [35, 'would deadlock'],
  ENAMETOOLONG: [36, 'name too long'],
  ENOLCK:       [37, 'no locks available'],
  ENOSYS:       [38, 'not in this kernel'],
  ENOTEMPTY:    [39, 'directory not empty'],
  ELOOP:        [40, 'a symbolic link in the way, or too many of them'],
  ENODATA:      [61, 'no data available'],
  EOVERFLOW:    [75, 'value too large'],
  // One number, two names: a number alone is EOPNOTSUPP, as the last one.
  ENOTSUP:      [95, 'not supported here'],
  EOPNOTSUPP:   [95, 'not supported'],
  ESHUTDOWN:    [108, 'shut down'],
  ETIMEDOUT:    [110, 'timed out'],
  ESTALE:       [116, 'stale file'],
  EDQUOT:       [122, 'disk quota exceeded'],
  ECANCELED:    [125, 'cancelled'],
  EOWNERDEAD:   [130, 'owner died'],
  EHWPOISON:    [133, 'the page has a hardware error'],
} as const satisfies Record<string, readonly [errno: number, text: string]>

export type ErrnoName = keyof typeof ERRNOS

/** Result of kernel code and of the addon: zero or a positive count, or on failure a negative errno. */
export type Errno = number

/** The numbers kernel code itself returns (`-ErrorNumber.ENOSPC`), inlined. Only the system calls above it throw. */
export const enum ErrorNumber {
  EPERM = 1,
  ENOENT = 2,
  EINTR = 4,
  EIO = 5,
  ENXIO = 6,
  EBADF = 9,
  EAGAIN = 11,
  ENOMEM = 12,
  EACCES = 13,
  EFAULT = 14,
  EBUSY = 16,
  EEXIST = 17,
  EINVAL = 22,
  EMFILE = 24,
  EFBIG = 27,
  ENOSPC = 28,
  EOVERFLOW = 75,
  EOPNOTSUPP = 95,
  EDQUOT = 122,
  EHWPOISON = 133,
}

const NAMES: ReadonlyMap<number, ErrnoName> = new Map(
  Object.entries(ERRNOS).map(([name, [errno]]) => [errno, name as ErrnoName]),
)

/**
 * An operation failed for a reason of the world: no space, a media error, a closed mount.
 * The message reads "ENOSPC: no space left in the pool, write 'a.pm'".
 */
export class PmemError extends Error {
  override readonly name = 'PmemError'
  /** errno name, for instance 'ENOSPC'; 'UNKNOWN' for a number outside the table. */
  readonly code: ErrnoName | 'UNKNOWN'
  /** Positive, as errno(3). */
  readonly errno: number
  /** The call that failed, by the name its user knows. */
  readonly syscall: string
  /** The file concerned, when there is one. */
  declare readonly path?: string

  /**
   * failure: errno name, or the negative number that kernel code and the addon return; reason: said instead of the
   * table's words, for a cause that is known better; path: the file concerned.
   */
  constructor(failure: ErrnoName | Errno, syscall: string, reason?: string, path?: string) {
    const errno = typeof failure === 'number' ? -failure : ERRNOS[failure][0]
    assert(Number.isInteger(errno) && errno > 0, 'a failure is a negative errno', { failure, syscall })
    const code = typeof failure === 'number' ? errnoName(errno) : failure
    const words = reason ?? (code === 'UNKNOWN' ? `error number ${errno}` : ERRNOS[code][1])
    super(`${code}: ${words}, ${syscall}${path === undefined ? '' : ` '${path}'`}`)
    this.code = code
    this.errno = errno
    this.syscall = syscall
    if (path !== undefined) this.path = path
  }
}

/** Return: the error of a failed call in the table's words; `path` is the file concerned. */
export function pmemError(failure: ErrnoName | Errno, syscall: string, path?: string): PmemError {
  return new PmemError(failure, syscall, undefined, path)
}

/**
 * The end of a system call: throws PmemError when `result` is negative.
 * Return: `result`, a count or zero.
 */
export function checkResult(result: Errno, syscall: string, path?: string): number {
  if (result < 0) throw pmemError(result, syscall, path)
  return result
}

/** Return: the errno name of a number of either sign, or 'UNKNOWN'. */
export function errnoName(errno: number): ErrnoName | 'UNKNOWN' {
  return NAMES.get(Math.abs(errno)) ?? 'UNKNOWN'
}

/** Return: true for an error with this code, ours or the addon's or Node's. */
export function isErrno(error: unknown, code: ErrnoName): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
