/** Probes of the machine and of this process's limits. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { release } from 'node:os'
import type { Addon } from './addon.js'
import { type Capability, missing, present } from './capability.js'

/** Each mapping is split into more areas as ranges of it are registered, protected and unmapped. */
const COMFORTABLE_MAP_COUNT = 65530
/** A file costs two descriptors (cache, media), a mount a handful. */
const COMFORTABLE_OPEN_FILES = 1024

export function probeHost(addon: Addon): Capability[] {
  return [
    unprivilegedRow(),
    procRow(),
    memfdRow(addon),
    openBeneathRow(addon),
    pagemapScanRow(),
    ...cpuRows(addon),
    hugePagesRow(),
    mapCountRow(),
    openFilesRow(),
  ]
}

function unprivilegedRow(): Capability {
  const name = 'vm.unprivileged_userfaultfd'
  const value = readNumber('/proc/sys/vm/unprivileged_userfaultfd')
  if (value === 1) return present(name, false, '1')
  return missing(
    name,
    false,
    value === undefined ? 'unknown to this kernel' : String(value),
    'only root, CAP_SYS_PTRACE or users of /dev/userfaultfd get faults taken inside system calls',
    'sudo sysctl vm.unprivileged_userfaultfd=1',
  )
}

/** Whether mount can go on: names are removed, and threads looked for, below /proc/self. */
export function hasProc(): boolean {
  return existsSync('/proc/self/fd')
}

export const PROC_REASON = 'names of a pool are removed, and threads that ended are found, by way of /proc/self'
export const PROC_REMEDY = 'mount -t proc proc /proc'

function procRow(): Capability {
  if (hasProc()) return present('/proc', true, 'mounted')
  return missing('/proc', true, 'not mounted', PROC_REASON, PROC_REMEDY)
}

function memfdRow(addon: Addon): Capability {
  try {
    addon.closeFd(addon.createMemfd('faultline-probe', 4096))
    return present('memfd', true, 'works')
  } catch (error) {
    const { message } = error as Error
    return missing(
      'memfd',
      true,
      'memfd_create failed',
      message,
      'allow memfd_create (seccomp profile, vm.memfd_noexec)',
    )
  }
}

function openBeneathRow(addon: Addon): Capability {
  let root = -1
  try {
    root = addon.openDirectory('/')
    addon.closeFd(addon.openBeneath(root, '.', addon.constants['O_PATH'] ?? 0, 0))
    return present('openat2', true, 'works')
  } catch (error) {
    const remedy = 'use Linux 5.6 or later and a seccomp profile that allows openat2'
    return missing('openat2', true, 'failed', (error as Error).message, remedy)
  } finally {
    if (root !== -1) addon.closeFd(root)
  }
}

/** By release number: the ioctl itself needs a range to scan, and only speeds things up. */
function pagemapScanRow(): Capability {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  if (major > 6 || (major === 6 && minor >= 7)) return present('PAGEMAP_SCAN', false, `Linux ${release()}`)
  const reason = 'dirty pages are found by faults, not by scanning page tables'
  return missing('PAGEMAP_SCAN', false, `Linux ${release()}`, reason, 'use Linux 6.7 or later')
}

function cpuRows(addon: Addon): Capability[] {
  const { flush, nonTemporalStores, cacheLineSize } = addon.cpuInfo()
  const detail = `${flush}, ${nonTemporalStores ? 'non-temporal stores, ' : ''}${String(cacheLineSize)}-byte lines`
  const flushRow =
    flush === 'none'
      ? missing('cache-line flush', false, detail, 'flushed lines stay in the CPU cache', 'use an x86-64 CPU')
      : present('cache-line flush', false, detail)
  const cpus = addon.getAffinity(0).length
  const cpuRow =
    cpus > 1
      ? present('CPUs', false, `${String(cpus)} for this process`)
      : missing(
          'CPUs',
          false,
          '1',
          'fault workers share the CPU of the faulting threads',
          'allow more (taskset, cgroup)',
        )
  return [flushRow, cpuRow]
}

function hugePagesRow(): Capability {
  const free = readNumber('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages') ?? 0
  if (free > 0) return present('huge pages', false, `${String(free)} of 2 MiB free`)
  const reason = '2 MiB entries are modelled with 512 page-table entries'
  return missing('huge pages', false, 'none reserved', reason, 'sudo sysctl vm.nr_hugepages=64')
}

function mapCountRow(): Capability {
  const name = 'vm.max_map_count'
  const value = readNumber('/proc/sys/vm/max_map_count') ?? 0
  if (value >= COMFORTABLE_MAP_COUNT) return present(name, false, String(value))
  const reason = 'mmap fails with ENOMEM when many mappings are split'
  return missing(name, false, String(value), reason, `sudo sysctl vm.max_map_count=${String(COMFORTABLE_MAP_COUNT)}`)
}

function openFilesRow(): Capability {
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(readText('/proc/self/limits') ?? '')?.[1] ?? '0'
  const soft = limit === 'unlimited' ? Infinity : Number(limit)
  const used = hasProc() ? readdirSync('/proc/self/fd').length : 0
  const detail = `${limit} (${String(used)} in use)`
  if (soft >= COMFORTABLE_OPEN_FILES) return present('open files', false, detail)
  return missing('open files', false, detail, 'each open file of a pool takes two', 'ulimit -n 4096')
}

function readNumber(path: string): number | undefined {
  const text = readText(path)
  return text === undefined ? undefined : Number(text)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
