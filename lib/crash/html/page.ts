/** A report as one page that needs nothing else: no network, no script. */
import { hex } from '../diagnose.js'
import { type Failure, type LineDifference, type Report, hasPassed } from '../report.js'
import { reportText, storeText } from '../report-text.js'
import { escape } from './escape.js'
import { STYLE } from './style.js'
import { timelineSvg } from './timeline-svg.js'

const BYTES_PER_ROW = 32

export function reportPage(report: Report): string {
  const passed = hasPassed(report)
  const verdict = reportText({ ...report, failures: [], findings: [] }).split('\n')
  const title = report.name === '' ? 'power failures' : report.name
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)}</title><style>${STYLE}</style></head><body>
<h1>${escape(title)}</h1>
${verdict.map((line) => `<div class="verdict ${passed ? 'good' : 'bad'}">${escape(line.trim())}</div>`).join('\n')}
<p class="dim">${escape(summary(report))}</p>
${failuresPart(report)}
${findingsPart(report)}
<h2>The run</h2>
<p class="legend dim"><span>● store</span><span>■ non-temporal store</span><span>▲ flush</span>
<span>│ fence or sync</span><span>✓ acknowledged</span><span>┆ power failed</span><span>○ lost</span></p>
<div class="scroll">${timelineSvg(report.log, report.failures[0])}</div>
${cutNote(report)}
</body></html>
`
}

/** A page shows the beginning of a long run. */
function cutNote({ log, operations }: Report): string {
  return log.length < operations ? `<p class="dim">the first ${log.length} of ${operations}</p>` : ''
}

function summary({ engine, domain, counts, seconds, operations, shard }: Report): string {
  const part = shard === undefined ? '' : `, shard ${shard.index + 1} of ${shard.count}`
  const semantic = counts.semantic === 0 ? '' : `, ${counts.semantic} different results of recovery`
  return (
    `engine ${engine}, ${domain}${part}: ${operations} operations, ${counts.moments} moments, ` +
    `${counts.states} states, ` +
    `${counts.images} images, ${counts.looks} looks${semantic}, ${seconds.toFixed(2)} s`
  )
}

function failuresPart({ failures, operations, log }: Report): string {
  if (failures.length === 0) return ''
  const articles = failures.map((failure, i) => article(failure, operations, i === 0 ? '' : timelineSvg(log, failure)))
  return `<h2>What breaks it</h2>\n${articles.join('\n')}`
}

function article(failure: Failure, operations: number, picture: string): string {
  const { oracle, message, op, during, reading, stores, diagnosis, differences } = failure
  const when = op === operations ? 'at the end' : `before operation ${op}`
  const what = reading === 'lost' ? 'only this was lost' : 'of what was not durable only this was kept'
  const none = reading === 'lost' ? 'nothing was lost' : 'everything that was not durable was lost'
  const list = stores.map((store) => `<li class="mono">${escape(storeText(store))}</li>`).join('')
  return `<article><h3>${escape(oracle)}: ${escape(message)}</h3>
<p>Power failed ${when}${during === '' ? '' : `, in <b>${escape(during)}</b>`}; ${
    stores.length === 0 ? none : `${what}:</p><ul>${list}</ul><p>`
  }</p>
${diagnosis === undefined ? '' : `<p class="diagnosis">${escape(diagnosis.text)}</p>`}
${differences.map(differencePart).join('\n')}
${picture === '' ? '' : `<details><summary>timeline</summary><div class="scroll">${picture}</div></details>`}
</article>`
}

/** What the program stored last, and what the image has, where they differ. */
function differencePart({ offset, expected, image }: LineDifference): string {
  const rows: string[] = []
  for (let at = 0; at < expected.length / 2; at += BYTES_PER_ROW) {
    const want = bytesOf(expected, at)
    const have = bytesOf(image, at)
    if (want.join() === have.join()) continue
    const place = hex(offset + at).padEnd(8)
    rows.push(`${place} stored ${want.join(' ')}`)
    rows.push(`${''.padEnd(8)} image  ${have.map((byte, i) => (byte === want[i] ? byte : `<b>${byte}</b>`)).join(' ')}`)
  }
  return `<div class="bytes scroll">${rows.join('\n')}</div>`
}

function bytesOf(line: string, from: number): string[] {
  return line.slice(from * 2, (from + BYTES_PER_ROW) * 2).match(/../g) ?? []
}

function findingsPart({ findings }: Report): string {
  if (findings.length === 0) return ''
  const rows = findings.map(
    ({ severity, kind, offset, label, location, count }) =>
      `<tr><td>${severity}</td><td>${escape(kind)}</td><td class="mono">${hex(offset)}</td><td>${escape(label)}</td>` +
      `<td class="mono">${escape(location)}</td><td class="number">${count}</td></tr>`,
  )
  return `<h2>What the log shows</h2>
<table><tr><th></th><th>what</th><th>where</th><th>label</th><th>code</th><th>times</th></tr>${rows.join('\n')}</table>`
}
