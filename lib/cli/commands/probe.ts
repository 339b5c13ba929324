/** faultline probe: what this machine can do, and what mends what it cannot. */
import pc from 'picocolors'
import type { Capability } from '../../binding/capability.js'
import { missingNeeds, probe } from '../../binding/probe.js'
import { ExitStatus, describeMissing } from '../failure.js'
import { formatPairs, print, printJson } from '../format.js'

const FEATURE_PREFIX = 'uffd '

/** Return: Ok when mounting is possible. */
export function probeCommand(pool: string | undefined, options: { json?: boolean }): ExitStatus {
  const capabilities = probe(pool)
  const needs = missingNeeds(capabilities)
  const status = needs.length === 0 ? ExitStatus.Ok : ExitStatus.Failed
  if (options.json === true) {
    printJson({ ok: needs.length === 0, capabilities })
    return status
  }
  const working = joinFeatures(capabilities.filter(({ ok }) => ok))
  if (working.length > 0)
    print(formatPairs(working.map(({ name, detail }) => [`${pc.green('ok')} ${name}`, detail])), '')
  const optional = capabilities.filter(({ ok, needed }) => !ok && !needed)
  if (optional.length > 0) {
    print(pc.yellow('not there, and not needed:'), ...optional.flatMap(describeMissing), '')
  }
  if (needs.length === 0) print('This machine can run faultline.')
  else print(pc.red('missing and needed:'), ...needs.flatMap(describeMissing), '', 'This machine cannot run faultline.')
  return status
}

/** Features that are there take one line together. */
function joinFeatures(capabilities: readonly Capability[]): Capability[] {
  const isFeature = ({ name }: Capability): boolean => name.startsWith(FEATURE_PREFIX)
  const features = capabilities.filter(isFeature)
  const first = features[0]
  if (first === undefined) return [...capabilities]
  const detail = `${features.length}: ${features.map(({ name }) => name.slice(FEATURE_PREFIX.length)).join(' ')}`
  return capabilities
    .filter((capability) => !isFeature(capability) || capability === first)
    .map((capability) => (capability === first ? { ...first, name: 'uffd features', detail } : capability))
}
