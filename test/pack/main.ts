/** `npm run test:pack`: the packed package in an empty project, with a prebuilt addon and with one compiled there. */
import { installAndRun, pack } from './pack.js'

const { files, size } = pack()
console.log(`${files.length} files, ${Math.round(size / 1024)} KiB`)
for (const prebuilt of [true, false]) {
  const { program, version } = installAndRun(prebuilt)
  console.log(`${prebuilt ? 'prebuilt' : 'compiled'}: faultline ${version}, ${program}`)
  if (!program.includes('"byte":42')) process.exitCode = 1
}
