/** The process of one measurement: makes it, prints one line of JSON, exits. */
import { mkdtempSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { benchNamed } from './benches.js'
import type { Setting } from './sweep.js'

export interface MeasureRequest {
  readonly name: string
  readonly setting: Setting
  readonly seed: number
}

const { name, setting, seed } = JSON.parse(process.argv[2] ?? '') as MeasureRequest
const directory = mkdtempSync(join(process.env['FAULTLINE_BENCH_DIR'] ?? tmpdir(), 'faultline-bench-'))
try {
  const measurement = await benchNamed(name).measure(setting, { directory, seed })
  writeSync(1, `${JSON.stringify(measurement)}\n`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
