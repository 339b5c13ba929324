/** Mounts the pool, says so, and keeps it until it is killed. argv: pool. */
import { mount } from '../../lib/index.js'
import { report } from './report.js'

mount(process.argv[2] ?? '')
report({ mounted: true })
process.stdin.resume()
