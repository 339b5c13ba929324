/**
 * What this machine can do for faultline: each thing it uses, whether it is there, and how to get it when it is not.
 *
 * Nothing here throws for a missing capability, and nothing is left open.
 */
import type { Addon, UserfaultfdAttempt } from './addon.js'
import { type Capability, missing, present } from './capability.js'
import { loadAddon } from './locate.js'
import { probeHost } from './probe-host.js'
import { explainRefusal } from './refusal.js'
import { probeFolder } from './probe-folder.js'

export type { Capability } from './capability.js'

/**
 * Probe everything. `pool`: the folder media files would live in; its file system is probed too when given.
 * Context: any thread; opens and closes a few descriptors, writes one temporary file in `pool`.
 */
export function probe(pool?: string): Capability[] {
  const architecture = architectureRow(process.arch)
  if (!architecture.ok) return [architecture]
  let addon: Addon
  try {
    addon = loadAddon()
  } catch (error) {
    return [missing('addon', true, 'not loaded', (error as Error).message, 'npm run build:native')]
  }
  const rows = [present('addon', true, 'loaded'), ...probeUserfaultfd(addon), ...probeHost(addon)]
  return pool === undefined ? rows : [...rows, ...probeFolder(addon, pool)]
}

/** Where the addon cannot even be built, that is all there is to say. */
export function architectureRow(name: string): Capability {
  if (name === 'x64') return present('architecture', true, 'x86-64')
  const reason = 'cache lines are flushed, and stores decoded, by the instructions of x86-64'
  return missing('architecture', true, name, reason, 'use an x86-64 machine, or an emulator of one')
}

/** What mounting needs and this machine lacks: empty when all is well. */
export function missingNeeds(capabilities: readonly Capability[]): Capability[] {
  return capabilities.filter((capability) => capability.needed && !capability.ok)
}

/** What mends a device that cannot be opened. */
const DEVICE_REMEDY: Readonly<Record<string, string>> = {
  EACCES: 'sudo setfacl -m u:$USER:rw /dev/userfaultfd',
  EPERM: 'sudo setfacl -m u:$USER:rw /dev/userfaultfd',
  ENOENT: 'use Linux 6.1 or later for /dev/userfaultfd; in a container: --device /dev/userfaultfd',
}

function probeUserfaultfd(addon: Addon): Capability[] {
  const attempts = addon.probeUserfaultfd()
  const detail = attempts.map(describeAttempt).join(', ')
  const working = attempts.find((attempt) => attempt.ok)
  if (working === undefined) {
    const { reason, waysOut } = explainRefusal(attempts)
    return [missing('userfaultfd', true, detail, reason, waysOut.join('\n'))]
  }
  return [
    present('userfaultfd', true, detail),
    ...attempts.filter((attempt) => attempt.way === 'device').map(deviceRow),
    kernelModeRow(working),
    ...featureRows(addon, working.features ?? 0),
  ]
}

function describeAttempt(attempt: UserfaultfdAttempt): string {
  return `${attempt.way}: ${attempt.ok ? 'ok' : (attempt.code ?? 'failed')}`
}

function deviceRow(attempt: UserfaultfdAttempt): Capability {
  if (attempt.ok) return present('/dev/userfaultfd', false, 'usable')
  const code = attempt.code ?? 'ENOENT'
  return missing(
    '/dev/userfaultfd',
    false,
    code,
    'the device gives unprivileged users full userfaultfds',
    DEVICE_REMEDY[code] ?? 'see userfaultfd(2)',
  )
}

function kernelModeRow(working: UserfaultfdAttempt): Capability {
  if (working.way !== 'user-mode-only') return present('kernel-mode faults', false, `delivered (${working.way})`)
  return missing(
    'kernel-mode faults',
    false,
    'opened user-mode-only',
    'system calls that touch unmapped pages of a mapping (fs.read into it, O_DIRECT) fail with EFAULT',
    'sudo setfacl -m u:$USER:rw /dev/userfaultfd',
  )
}

/** What is lost without a feature that is not needed. */
const LOSS: Readonly<Record<string, string>> = {
  EXACT_ADDRESS: 'nothing: faults are handled by page',
  WP_ASYNC: "mount option dirtyTracking: 'async' (first stores to clean pages without a fault)",
  MOVE: 'nothing today: pages are not moved',
}

function featureRows(addon: Addon, features: number): Capability[] {
  return addon.userfaultfdFeatures().map(({ name, bit, since, needed }) => {
    const row = `uffd ${name}`
    if ((features & bit) !== 0) return present(row, needed, `since Linux ${since}`)
    const reason = needed ? 'faults cannot be told apart or answered without it' : (LOSS[name] ?? 'unused')
    return missing(row, needed, 'not in this kernel', reason, `use Linux ${since} or later`)
  })
}
