/**
 * The C++ addon as TypeScript sees it: mechanism only.
 *
 * Conventions
 *   address    a virtual address as a JS number (user addresses are below 2^47, exact in a double)
 *   length     bytes; offsets and lengths of mappings are page multiples unless told otherwise
 *   Errno      0 or a positive count on success, a negative errno on failure (hot calls: they never throw)
 *   cold calls throw an Error with `code` (errno name), `errno` (positive) and `syscall`
 *   every call throws TypeError/RangeError when an argument has the wrong type: a bug in our own TypeScript
 */

/** Zero or a positive result; negative: -errno. */
export type Errno = number

export interface UserfaultfdAttempt {
  /** How it was tried, in this order. */
  readonly way: 'device' | 'syscall' | 'user-mode-only'
  readonly ok: boolean
  /** errno name when it failed. */
  readonly code?: string
  /** When it did not: uffdio_api.features of this kernel. */
  readonly features?: number
}

export interface Userfaultfd {
  readonly fd: number
  readonly way: UserfaultfdAttempt['way']
  /** uffdio_api.features of this kernel. */
  readonly features: number
}

export interface UserfaultfdFeature {
  /** As the kernel's headers name it, without UFFD_FEATURE_. */
  readonly name: string
  readonly bit: number
  /** The first Linux release that has it. */
  readonly since: string
  /** openUserfaultfd refuses a kernel without it. */
  readonly needed: boolean
}

export interface FileStatus {
  readonly size: number
  /** 512-byte units. */
  readonly blocks: number
  readonly device: number
  readonly inode: number
  readonly mode: number
  readonly links: number
  readonly blockSize: number
  readonly modifiedMs: number
  readonly changedMs: number
}

export interface CpuInfo {
  /** What flushLines uses: the best the CPU has. */
  readonly flush: 'clwb' | 'clflushopt' | 'clflush' | 'none'
  readonly nonTemporalStores: boolean
  readonly cacheLineSize: number
}

export interface NativeFaultPort {
  /** readFaults, into one half of the mailbox. */
  read(): number
  /** resolveCopy, resolveContinue or writeProtect of one page; then read what is there into one half of the mailbox. */
  resolve(): Errno
}

export interface Addon {
  /** Every number both sides know: page and line size, ioctl numbers, feature bits, fault bits, sizes of structs. */
  readonly constants: Readonly<Record<string, number>>

  // cpu.cc
  cpuInfo(): CpuInfo
  /** Kernel thread id of the caller, as fault events report it. */
  threadId(): number
  /** Pin a thread to these CPUs. thread: kernel thread id; 0: the caller. Throws ESRCH when it is gone. */
  setAffinity(cpus: readonly number[], thread: number): void
  getAffinity(thread: number): number[]

  // uffd.cc
  /** What we know of, oldest first; whether this kernel has them is in Userfaultfd.features. */
  userfaultfdFeatures(): UserfaultfdFeature[]
  /** Try every way, report each; leaves nothing open. */
  probeUserfaultfd(): UserfaultfdAttempt[]
  /** First way that works, API handshake done with the features it needs. Throws the last error when none does. */
  openUserfaultfd(): Userfaultfd
  /** With WP_ASYNC besides: a store to a protected page lifts the protection and is no event. ENOTSUP without it. */
  openAsyncUserfaultfd(): Userfaultfd
  /** modes: bits constants.UFFD_REGISTER_MODE_*. Return: the ioctl bit mask of the range. */
  registerRange(uffd: number, address: number, length: number, modes: number): number
  unregisterRange(uffd: number, address: number, length: number): void
  createEvent(): number
  signalEvent(fd: number): void
  clearEvent(fd: number): void
  /**
   * Sleep until a fault arrives, the event fd is signalled, or timeoutMs passes; then read as many as fit.
   * records: as native/fault_record.h draws it: when this call was entered and returned, monotonic ns, then address,
   * flags (FAULT_WRITE | FAULT_WP | FAULT_MINOR) and kernel thread id of each fault.
   * spinUs: for so long look for faults before sleeping, and not at the event fd; 0 to 1000.
   * Context: sleeps in poll(2), never in JS; stops for TerminateExecution only after timeoutMs.
   * Return: number of faults; 0 on time-out; -1 when the event fd is signalled (it stays signalled).
   */
  readFaults(uffd: number, stopEvent: number, records: Float64Array, spinUs: number, timeoutMs: number): number

  // fault_port.cc
  /**
   * The calls of a fault worker, without arguments: mailbox, over a SharedArrayBuffer, is laid out as
   * native/fault_port.h says. Lives as long as the thread.
   */
  createFaultPort(uffd: number, stopEvent: number, mailbox: Float64Array): NativeFaultPort

  // uffd_resolve.cc (hot; retry EAGAIN inside; after EEXIST they wake the range themselves and return -EEXIST)
  /** mode: RESOLVE_WP (map write-protected) | RESOLVE_DONTWAKE. Return: bytes mapped or -errno. */
  resolveCopy(uffd: number, destination: number, source: number, length: number, mode: number): Errno
  resolveContinue(uffd: number, address: number, length: number, mode: number): Errno
  /** Map an access error (SIGBUS) over absent pages. */
  resolvePoison(uffd: number, address: number, length: number, mode: number): Errno
  /** mode: PROTECT_WP sets protection, 0 removes it (and wakes, unless RESOLVE_DONTWAKE). */
  writeProtect(uffd: number, address: number, length: number, mode: number): Errno
  /**
   * writeProtect of those pages of a file that a mapping shows. address, pgoff, pages: the mapping, its first page in
   * the file, its size. runs: `count` pairs of first page and number of pages, in pages of the file.
   */
  writeProtectRuns(
    uffd: number,
    address: number,
    pgoff: number,
    pages: number,
    runs: Float64Array,
    count: number,
    mode: number,
  ): Errno
  wakeRange(uffd: number, address: number, length: number): Errno

  // thread_end.cc
  /**
   * When this thread's environment ends and the word at `state` is not `closed`: the word becomes `dead` if it was
   * `live`, what ownCache named is cut to nothing, the userfaultfd lets go of everyone, and with at most one user (the
   * word at `users`) the pool's lock is released. Forgotten when the userfaultfd is closed; until then `words` is kept.
   */
  serveFromHere(
    uffd: number,
    lock: number,
    words: Int32Array,
    state: number,
    users: number,
    live: number,
    dead: number,
    closed: number,
  ): void
  /** A memfd of the mount with this userfaultfd; until it is closed. */
  ownCache(uffd: number, cache: number): void
  /** A further userfaultfd of that mount, which lets go of everyone too; until it is closed. */
  ownUserfaultfd(uffd: number, other: number): void

  // mapping.cc
  /** A memfd of `size` bytes, close-on-exec, mode 0600, sealed against exec and further seals but not against size. */
  createMemfd(name: string, size: number): number
  /** MAP_SHARED (or MAP_PRIVATE with shared=false) anywhere; prot: PROT_* bits; MAP_NORESERVE. May reach beyond EOF. */
  mapFile(fd: number, offset: number, length: number, prot: number, shared: boolean): number
  /** Like mapFile, but at an address congruent to `offset` modulo 2 MiB (plus `misalign` bytes). */
  mapAligned(fd: number, offset: number, length: number, prot: number, shared: boolean, misalign: number): number
  /** Like mapFile, but here and nowhere else. Return: the address; -EEXIST when something is there already, -ENOMEM… */
  mapAt(fd: number, offset: number, length: number, prot: number, shared: boolean, address: number): Errno
  /** mprotect(2). What userfaultfd protects stays protected. */
  protectPages(address: number, length: number, prot: number): Errno
  /** Anonymous, read-only, zero: the source of zero-page fills. */
  mapZeroes(length: number): number
  unmap(address: number, length: number): void
  /** madvise(MADV_DONTNEED): drop page tables (and private copies) only. */
  dropPages(address: number, length: number): Errno
  /** Which pages of a shared file mapping are in the host's memory: 1 or 0 a page (mincore). */
  residentPages(address: number, length: number, out: Uint8Array): Errno
  /** Which pages a memfd has, swapped out ones too: 1 or 0 a page. offset: of what is mapped at address. */
  cachedPages(fd: number, offset: number, address: number, length: number, out: Uint8Array): Errno
  /** pagemap of this process: 0 absent, PTE_FILE, PTE_ANON; | PTE_WP when uffd write-protected. One byte a page. */
  pageTableEntries(address: number, length: number, out: Uint8Array): Errno
  // written_pages.cc
  /**
   * PAGEMAP_SCAN (Linux 6.7): pages without write protection, in memory of an asynchronous userfaultfd. Besides pages
   * stored to since they were protected these are pages that were never mapped, and pages that were dropped after a
   * store; one that was protected when it was dropped is not among them. out: pairs of first address and end.
   * Return: how many pairs; as many as fit: look again from the last end. -ENOTTY on older kernels.
   */
  writtenPages(address: number, length: number, out: Float64Array): Errno
  /** An external ArrayBuffer over the range. It does not own the range. */
  createArrayBuffer(address: number, length: number): ArrayBuffer
  /** Detach: every view becomes length 0. No-op when already detached. */
  detachArrayBuffer(buffer: ArrayBuffer): void
  /** Address of the first byte of a view (of a SharedArrayBuffer too). */
  addressOf(view: ArrayBufferView): number

  // held_memory.cc
  /** Let the calling thread's collector count so many bytes as memory that goes with the object. */
  countAsHeld(object: object, bytes: number): void

  // host_file.cc
  /** openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), O_CLOEXEC; flags and mode as open(2). */
  openBeneath(directory: number, path: string, flags: number, mode: number): number
  openDirectory(path: string): number
  /** A further descriptor of the same open file, close-on-exec. */
  duplicateFd(fd: number): number
  closeFd(fd: number): void
  fileStatus(fd: number): FileStatus
  /**
   * SEEK_DATA/SEEK_HOLE walk of [from, to): out gets pairs start, end of data ranges, at most out.length/2 of them.
   * Return: number of pairs. The caller goes on from the last end when the array was full.
   */
  fileExtents(fd: number, from: number, to: number, out: Float64Array): number
  /** fallocate(2); mode bits constants.FALLOC_*. */
  allocateFile(fd: number, mode: number, offset: number, length: number): Errno
  truncateFile(fd: number, size: number): Errno
  syncFile(fd: number, dataOnly: boolean): Errno
  /**
   * flock(LOCK_EX | LOCK_NB), until closeFd, or until this thread ends without a mount (serveFromHere) that has it.
   * Return: true when taken.
   */
  tryLockFile(fd: number): boolean
  /** pwrite(2) until done, from raw memory. Return: bytes (short only with an error following it) or -errno. */
  writeFile(fd: number, source: number, length: number, offset: number): Errno
  /** pread(2) until done or EOF, into raw memory. */
  readFile(fd: number, destination: number, length: number, offset: number): Errno

  // cacheline.cc (SIGBUS-safe: -EIO when the memory is not there)
  /**
   * Move what differs between cache and media, by 64-byte line, to the media file: clwb the differing cache lines,
   * join neighbours, pwrite each run. cache, media: addresses of the same `length` bytes (multiple of 64);
   * fileOffset: where they are in mediaFd. limit: file size; bytes at or past it are not written.
   * lines[0] += lines written, lines[1] += runs written.
   * Return: 0 or -errno.
   */
  writebackLines(
    cache: number,
    media: number,
    length: number,
    mediaFd: number,
    fileOffset: number,
    limit: number,
    lines: Float64Array,
  ): Errno
  /**
   * writebackLines of whole pages of a file. cache, media: addresses of byte 0 of it; runs: `count` pairs of first
   * page and number of pages. Lines of neighbouring pages are joined.
   */
  writebackRuns(
    cache: number,
    media: number,
    mediaFd: number,
    runs: Float64Array,
    count: number,
    limit: number,
    lines: Float64Array,
  ): Errno
  /**
   * Compare by line at most 4096 bytes (64 lines). mask[0], mask[1]: bit i set when line i differs (low word first).
   * Return: number of differing lines or -errno.
   */
  diffLines(cache: number, media: number, length: number, mask: Int32Array): Errno
  /** clwb every line of the range (no fence). */
  flushLines(address: number, length: number): Errno
  /** sfence */
  storeFence(): void

  // signal_guard.cc (memory copies that survive SIGBUS)
  /** memmove. Return: bytes copied, short when an access failed; -EFAULT when the very first byte did. */
  copyMemory(destination: number, source: number, length: number): Errno
  /** memset. Same return. */
  fillMemory(destination: number, byte: number, length: number): Errno
  /** A guarded touch of one byte a page. Return: 0 or -EFAULT. For tests of SIGBUS behaviour without dying. */
  touchPages(address: number, length: number, write: boolean): Errno
  /**
   * Load or store one byte at address, address + step, … below address + length; bytes[i] receives, or is, the ith.
   * A signal ends it: failure = [signal number, si_code, address], zeroes without one.
   * Return: accesses done.
   */
  accessBytes(
    address: number,
    length: number,
    step: number,
    write: boolean,
    bytes: Uint8Array,
    failure: Float64Array,
  ): number
  // tracer_signals.cc, tracer.cc: see native/tracer.h for how stores are traced
  /** Once for each traced mount: SIGTRAP is ours until the last of them stops. */
  startTracer(): void
  stopTracer(): void
  /**
   * Memory whose stores are recorded in `log` as bytes of `file` from `fileOffset` on; log 0: traced no more. The store
   * view must be mapped, STORE_VIEW_DISTANCE above.
   */
  setTracedRange(address: number, length: number, log: number, file: number, fileOffset: number): Errno
  /** memmove to traced memory without a signal, recorded. Return: bytes stored; -EFAULT without even one line. */
  storeBytes(destination: number, source: number, length: number, nonTemporal: boolean): Errno
  /** While it is held no traced store of another thread is made, in the whole process. Nests. Context: may sleep. */
  holdStores(): void
  releaseStores(): void
  /** releaseStores as often as the calling thread holds it, which may be never. */
  dropStores(): void

  // store_log.cc; a log is an address, its records start STORE_LOG_HEADER behind it
  openStoreLog(capacity: number): number
  closeStoreLog(log: number): void
  setStoreRecording(log: number, on: boolean): void
  /** Stores of this kernel thread are those of that thread of the mount; kernelId 0: of none. */
  nameStoreThread(log: number, thread: number, kernelId: number): void
  /** fields: thread, file, offset, length, location, nonTemporal. */
  appendStoreRecord(log: number, kind: number, fields: Float64Array, payload: Uint8Array): void
  /** Records of stores, one a line, of the bytes now at `address`. fields: as above. */
  appendStores(log: number, fields: Float64Array, address: number, length: number): Errno
  /** Return: bytes of records; -ENOSPC when records that should have followed were lost. */
  storeLogUsed(log: number): Errno
  /** Begin anew when everything, `read` bytes, has been read. Return: false when more has come. */
  restartStoreLog(log: number, read: number): boolean
}
