/** What mount says to a process without the right to the pool. argv: pool, scenario. Started as root, it steps down. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mount } from '../../lib/index.js'
import { outcomeOf, report } from './report.js'

const NOBODY = 65534
const [pool = '', scenario = 'mount'] = process.argv.slice(2)
const isRoot = process.getuid?.() === 0

function stepDown(): void {
  if (isRoot) process.seteuid?.(NOBODY)
}

if (scenario === 'mount') {
  mkdirSync(join(pool, '.faultline'))
  chmodSync(join(pool, '.faultline'), 0)
  chmodSync(pool, isRoot ? 0o700 : 0)
  stepDown()
  report({ mount: outcomeOf(() => mount(pool)).code })
} else if (scenario === 'file') {
  const pmem = mount(pool)
  writeFileSync(join(pool, 'a.pm'), Buffer.alloc(100, 9), { mode: 0o444 })
  if (isRoot) chownSync(pool, NOBODY, NOBODY)
  stepDown()
  const writable = outcomeOf(() => pmem.open('a.pm')).code
  const opened = outcomeOf(() => pmem.open('a.pm', { readOnly: true })).code
  const byte = Buffer.alloc(1)
  pmem.open('a.pm', { readOnly: true }).read(byte, 0)
  report({ writable, readOnly: opened, byte: byte[0] })
  pmem.close()
} else {
  if (!existsSync(join(pool, 'a.pm'))) writeFileSync(join(pool, 'a.pm'), Buffer.alloc(1 << 20, 1))
  const first = outcomeOf(() => mount(pool, { capacity: 4096 })).code
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 10; i++) outcomeOf(() => mount(pool, { capacity: 4096 }))
  const leaked = readdirSync('/proc/self/fd').length - before
  const second = outcomeOf(() => {
    mount(pool).close()
  }).code
  report({ first, second, leaked })
}
