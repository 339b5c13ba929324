/**
 * npm run test:page [-- PICTURE.png]: the report page in a real browser, when there is one.
 *
 * Chromium loads the page of a failing example without network, says what it made of it, and takes a picture. Status 0
 * when the browser shows what the page is to show; also when there is no browser, which is said.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { explore } from '../../lib/index.js'
import { reportPage } from '../../lib/crash/html/page.js'
import { recordNotFenced } from './workloads/ring-log.js'

const BROWSERS = [process.env['CHROMIUM'], 'chromium', 'chromium-browser', 'google-chrome'].filter((name) => name)
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--window-size=1250,780']
const TIMEOUT_MS = 60_000

function find(): string | undefined {
  return BROWSERS.find((name) => spawnSync(name as string, ['--version']).status === 0)
}

function browse(browser: string, ...args: string[]): string {
  const options = { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 } as const
  const { stdout, status, stderr } = spawnSync(browser, [...FLAGS, ...args], options)
  if (status !== 0) throw new Error(`${browser} ended with ${String(status)}: ${stderr.slice(0, 500)}`)
  return stdout
}

async function main(): Promise<void> {
  const browser = find()
  if (browser === undefined) {
    console.log('no browser: install chromium, or name one in CHROMIUM')
    return
  }
  const directory = mkdtempSync(join(tmpdir(), 'faultline-page-'))
  try {
    const path = join(directory, 'report.html')
    writeFileSync(path, reportPage(await explore(recordNotFenced)))
    const url = pathToFileURL(path).href
    const shown = browse(browser, '--dump-dom', url)
    for (const text of ['What breaks it', 'missing fence', 'class="store lost"', 'The run', 'power failed']) {
      if (!shown.includes(text)) throw new Error(`the browser shows no '${text}'`)
    }
    const picture = resolve(process.argv[2] ?? join(directory, 'report.png'))
    browse(browser, `--screenshot=${picture}`, url)
    console.log(`the page is shown as it should be${process.argv[2] === undefined ? '' : `: ${picture}`}`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

await main()
