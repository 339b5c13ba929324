/**
 * The process that is killed in part 2: appends to the log for ever, and says how far it got on descriptor 3.
 *
 *   ready N    the log is open, its last record is N
 *   begin N    records up to N are stored, their commit begins
 *   ack N      the commit of record N has returned: from now on it must never be lost
 *   stats J    counters so far
 *
 * Written with writeSync: a line is in the pipe, and outlives the process, before the next store is made.
 */
import { writeSync } from 'node:fs'
import { mount } from '../../fs/mount.js'
import { Prng } from '../../prng.js'
import { RecordLog } from './record-log.js'
import { pickCounters } from './totals.js'
import { appendGroup } from './workload.js'

const REPORT_FD = 3
const STATS_EVERY_MS = 5

function report(word: string, value: number | string): void {
  writeSync(REPORT_FD, `${word} ${value}\n`)
}

const [pool = '', seed = '0', round = '0'] = process.argv.slice(2)
const pmem = mount(pool)
const log = new RecordLog(pmem)
const prng = new Prng(Number(seed) * 1000 + Number(round))
report('ready', log.last)
let reportedAt = 0
for (;;) {
  report('begin', appendGroup(log, Number(seed), Number(round), prng))
  report('ack', log.commit())
  if (performance.now() - reportedAt < STATS_EVERY_MS) continue
  reportedAt = performance.now()
  report('stats', JSON.stringify(pickCounters(pmem.stats())))
}
