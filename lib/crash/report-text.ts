/** A report in a few lines: for the message of an assertion, and under the table of the command line. */
import { hex } from './diagnose.js'
import type { Finding } from './findings.js'
import { requireReport } from './report-form.js'
import { type Failure, type Report, type StoreReference, hasPassed } from './report.js'

const STORES_SHOWN = 8
const FINDINGS_SHOWN = 6
const BYTES_SHOWN = 8

/** Return: the verdict, the smallest failure, and what the log shows, a line each. Errors: TypeError, RangeError. */
export function reportText(report: Report): string {
  requireReport('report', report)
  const { counts, failures, findings, workload } = report
  const lines = [verdict(report)]
  if (workload !== undefined) lines.push(`  the workload ${workload}`)
  const [first] = failures
  if (first !== undefined) lines.push(...failureLines(first, report).map((line) => `  ${line}`))
  const others = counts.bad - 1
  if (first !== undefined && failures.length > 1) {
    lines.push(`  and other ways (${others} more bad images):`)
    for (const { diagnosis, message } of failures.slice(1)) lines.push(`    ${diagnosis?.text ?? message}`)
  }
  const serious = findings.filter(({ severity }) => severity === 'error')
  for (const finding of serious.slice(0, FINDINGS_SHOWN)) lines.push(`  ${findingText(finding)}`)
  return lines.join('\n')
}

function verdict(report: Report): string {
  const { counts, name } = report
  const images = `${counts.images} crash image${counts.images === 1 ? '' : 's'}`
  const subject = name === '' ? 'the workload' : name
  const stopped = report.stopped === undefined ? '' : ` (stopped by the budget of ${report.stopped})`
  if (hasPassed(report)) return `${subject} survives all ${images}${stopped}`
  if (counts.bad === 0 && report.workload !== undefined) return `${subject} did not run to its end`
  if (counts.bad === 0) {
    const advice =
      "give a budget (seconds, maxStates) to accept that, or take the engine 'guided', 'deviating' or 'random'"
    return `${subject} survives ${images}, but there are more${stopped}: ${advice}`
  }
  return `${subject} does not survive a power failure: ${counts.bad} of ${images} are bad${stopped}`
}

/** One failure: what is wrong, when, which stores, why. */
export function failureLines(failure: Failure, { operations }: { operations: number }): string[] {
  const { oracle, message, op, during, reading, stores, diagnosis } = failure
  const when = op === operations ? 'at the end' : `before operation ${op}`
  const lines = [`${oracle}: ${message}`, `power failed ${when}${during === '' ? '' : `, in '${during}'`}`]
  if (stores.length === 0) {
    lines.push(reading === 'lost' ? 'nothing was lost' : 'everything that was not durable was lost')
  } else {
    lines.push(reading === 'lost' ? 'only this was lost:' : 'of what was not durable only this was kept:')
    lines.push(...stores.slice(0, STORES_SHOWN).map((store) => `  ${storeText(store)}`))
    if (stores.length > STORES_SHOWN) lines.push(`  and ${stores.length - STORES_SHOWN} more`)
  }
  if (diagnosis !== undefined) lines.push(diagnosis.text)
  return lines
}

export function storeText({ offset, length, bytes, label, location, nonTemporal }: StoreReference): string {
  const value = bytes.length > BYTES_SHOWN * 2 ? `${bytes.slice(0, BYTES_SHOWN * 2)}…` : bytes
  const kind = nonTemporal ? 'store NT' : 'store'
  const parts = [`${kind} ${length} bytes at ${hex(offset)} = ${value}`]
  if (label !== '') parts.push(`'${label}'`)
  if (location !== '') parts.push(location)
  return parts.join('  ')
}

export function findingText({ kind, offset, label, location, count }: Finding): string {
  const parts = [`${kind}: ${hex(offset)}`]
  if (label !== '') parts.push(`'${label}'`)
  if (location !== '') parts.push(location)
  if (count > 1) parts.push(`${count} times`)
  return parts.join('  ')
}
