/** A benchmark result as one HTML page: chart, table, data. It loads nothing from anywhere. */
import type { BenchResult } from './run-bench.js'

export function renderHtml(result: BenchResult, svg: string, title: string, table: string): string {
  const environment = Object.entries(result.environment)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escapeHtml(title)}</title>
<style>body { font: 15px system-ui, sans-serif; margin: 2em auto; max-width: 1200px } pre { overflow-x: auto }</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(environment)}</p>
${svg}
<pre>${escapeHtml(table)}</pre>
<script type="application/json" id="result">${JSON.stringify(result).replaceAll('<', '\\u003c')}</script>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
