/**
 * Why no userfaultfd can be opened, and the ways out.
 *
 * A userfaultfd for user mode only needs no privilege since Linux 5.11. So a kernel that has the system call and
 * refuses even that was told to: by a seccomp filter, which a container runtime puts between a program and the kernel.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { UserfaultfdAttempt } from './addon.js'

export interface Refusal {
  /** One line. */
  readonly reason: string
  /** A line each, the best first. */
  readonly waysOut: readonly string[]
}

const WITHOUT = 'without it: power failure tests of a Region work (explore, faultline crash), they take no page faults'

const OUT_OF_A_CONTAINER = [
  'docker run --device /dev/userfaultfd …  (Linux 6.1 or later; the device passes the filter)',
  'docker run --security-opt seccomp=PROFILE.json …  with userfaultfd among the calls it allows',
  'run on the host or in a virtual machine, outside the container',
  WITHOUT,
]

const OUT_OF_AN_OLD_KERNEL = [
  'use Linux 6.6 or later, built with CONFIG_USERFAULTFD=y (distributions do)',
  'run in a virtual machine with such a kernel',
  WITHOUT,
]

const OUT_OF_OTHERS = [
  'sudo setfacl -m u:$USER:rw /dev/userfaultfd',
  'sudo sysctl vm.unprivileged_userfaultfd=1',
  'run as root',
  WITHOUT,
]

/** attempts: all the ways that were tried, none of which worked. */
export function explainRefusal(attempts: readonly UserfaultfdAttempt[]): Refusal {
  const codeOf = (way: UserfaultfdAttempt['way']): string => attempts.find((attempt) => attempt.way === way)?.code ?? ''
  const code = codeOf('user-mode-only')
  if (code === 'EPERM' || (code === 'ENOSYS' && kernelHasIt())) {
    const how = isFiltered() ? 'a seccomp filter, as containers have,' : 'a security policy of this machine'
    return { reason: `${how} refuses userfaultfd (${code})`, waysOut: OUT_OF_A_CONTAINER }
  }
  if (code === 'ENOSYS') return { reason: 'this kernel has no userfaultfd (ENOSYS)', waysOut: OUT_OF_AN_OLD_KERNEL }
  if (code === 'EINVAL') {
    const reason = 'no permission, and this kernel has none for user mode only (before Linux 5.11)'
    return { reason, waysOut: OUT_OF_AN_OLD_KERNEL }
  }
  return { reason: `no way to open one works (${code})`, waysOut: OUT_OF_OTHERS }
}

function kernelHasIt(): boolean {
  return existsSync('/proc/sys/vm/unprivileged_userfaultfd')
}

function isFiltered(): boolean {
  try {
    return /^Seccomp:\s+2$/m.test(readFileSync('/proc/self/status', 'utf8'))
  } catch {
    return false
  }
}
