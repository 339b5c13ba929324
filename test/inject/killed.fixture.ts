/** Syncs a page of ones, of twos, of threes; the third write to media is torn, and the process ends in it. */
import { mount } from '../../lib/index.js'
import { report } from '../fs/report.js'

const pmem = mount(process.argv[2] as string, {
  inject: [{ operation: 'media-write', torn: true, kill: true, nth: 3, seed: 1 }],
})
const file = pmem.open('a.pm')
for (let i = 1; i <= 3; i++) {
  file.write(Buffer.alloc(4096, i), 0)
  file.sync()
  report({ synced: i })
}
