/**
 * Damaged files of every format that is read: a documented error or a result, no hang, no huge allocation; and notes of
 * a pool that are damaged are never silently wrong. CASES: damaged files of each format, default 150.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type DaxFile, type Pmem, PmemError, mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { runScenarios } from '../../lib/replay/runner.js'
import { type Scenario, ScenarioError, parseScenarios } from '../../lib/replay/scenario.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'
import { type Format, readJournal, sampleScenarios, textFormats, writeJournal } from './formats.js'
import { damage, damageLittle, deform } from './mutate.js'

const CASES = Number(process.env['CASES'] ?? 150)
const SLOW_MS = 5000
const MEMORY_MAX = 400 * 2 ** 20
const PAGE = 4096

/** Return: a complaint, or undefined. */
async function complaintAbout(format: Format, bytes: Buffer): Promise<string | undefined> {
  const started = performance.now()
  try {
    await format.read(bytes)
  } catch (error) {
    const { name, message, stack } = error as Error
    const isAccident = name === 'TypeError' && !/ must /.test(message)
    if (isAccident || !format.errors.includes(name)) return stack
  }
  const took = performance.now() - started
  return took > SLOW_MS ? `took ${took} ms` : undefined
}

function damaged(prng: Prng, sample: string): Buffer {
  const isJson = sample.startsWith('[') || (sample.startsWith('{') && !sample.includes('\n'))
  if (isJson && prng.chance(0.6)) return Buffer.from(JSON.stringify(deform(prng, JSON.parse(sample))))
  return damage(prng, Buffer.from(sample))
}

/** What a mounted pool says of a file. */
type Look = (file: DaxFile, pmem: Pmem) => unknown

/**
 * Files with notes, whose notes are damaged; then one mount, and a look at each.
 * Return: for each file what was seen, or the PmemError it could not be opened with; and the warnings of the mount.
 */
async function remountDamaged(
  notes: string,
  prepare: (file: DaxFile, index: number, pmem: Pmem) => void,
  look: Look,
): Promise<{ before: unknown[]; after: unknown[]; warnings: string }> {
  const prng = new Prng(seedFor(notes))
  const pool = temporaryDirectory()
  const pmem = mount(pool, { faultWorkers: 1 })
  const before = Array.from({ length: CASES }, (_, index) => {
    const file = pmem.open(`f${index}.pm`, { create: true, size: 16 * PAGE })
    prepare(file, index, pmem)
    file.sync()
    const seen = look(file, pmem)
    file.close()
    return seen
  })
  pmem.close()
  for (const name of readdirSync(join(pool, notes))) {
    const path = join(pool, notes, name)
    writeFileSync(path, (prng.chance(0.5) ? damageLittle : damage)(prng, readFileSync(path)))
  }
  const warnings: string[] = []
  const onWarning = ({ message }: Error): unknown => warnings.push(message)
  // Nobody wants to read them.
  const printing = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', onWarning)
  const again = mount(pool, { faultWorkers: 1 })
  const after = before.map((_, index) => {
    try {
      const file = again.open(`f${index}.pm`)
      const seen = look(file, again)
      file.close()
      return seen
    } catch (error) {
      return error
    }
  })
  again.verify()
  again.close()
  // Warnings are told on the next turn.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  for (const listener of printing) process.on('warning', listener)
  return { before, after, warnings: warnings.join('\n') }
}

/** One that asks for a billion accesses is killed after half a minute, which the runner is there for. */
function isLong(scenarios: readonly Scenario[]): boolean {
  return scenarios.some(({ ops }) => ops.some(({ numbers }) => Object.values(numbers).some((each) => each > 2 ** 26)))
}

describe('damaged files', function () {
  this.timeout(CASES * 400 + 60_000)

  it('of text formats end in a documented error, soon and in little memory', async () => {
    const before = process.resourceUsage().maxRSS
    for (const format of await textFormats(temporaryDirectory('formats'))) {
      const prng = new Prng(seedFor(format.name))
      for (const sample of format.samples) expect(await complaintAbout(format, Buffer.from(sample))).to.equal(undefined)
      for (let i = 0; i < CASES; i++) {
        const bytes = damaged(prng, format.samples[prng.below(format.samples.length)] as string)
        const complaint = await complaintAbout(format, bytes)
        expect(complaint, `${format.name}, case ${i}:\n${bytes.toString().slice(0, 2000)}`).to.equal(undefined)
      }
    }
    expect((process.resourceUsage().maxRSS - before) * 1024).to.be.lessThan(MEMORY_MAX)
  })

  it('of a format whose reader has an accident, or another error, are noticed', async () => {
    const format = { name: 'bad', samples: [], errors: ['TypeError'] }
    const accident = { ...format, read: (bytes: Buffer) => (JSON.parse(bytes.toString()) as { a: { b: 1 } }).a.b }
    expect(await complaintAbout(accident, Buffer.from('{}'))).to.match(/Cannot read properties/)
    expect(await complaintAbout(accident, Buffer.from('{'))).to.match(/SyntaxError/)
    expect(await complaintAbout(accident, Buffer.from('{"a":{}}'))).to.equal(undefined)
  })

  it('that are journals do not pass over a look that nobody made', () => {
    const prng = new Prng(seedFor('journals cut and flipped'))
    const path = join(temporaryDirectory('journal'), 'journal')
    writeJournal(path, 30)
    const whole = readFileSync(path)
    const [end, looks] = JSON.parse(readJournal(path, 30)) as [number, unknown[]]
    for (let i = 0; i < CASES; i++) {
      const cut = prng.chance(0.3)
      writeFileSync(path, cut ? whole.subarray(0, prng.below(whole.length)) : damageLittle(prng, whole))
      let said: [number, unknown[]]
      try {
        said = JSON.parse(readJournal(path, 30)) as [number, unknown[]]
      } catch (error) {
        expect((error as Error).name, String((error as Error).stack)).to.equal('JournalError')
        continue
      }
      expect(said[0]).to.be.at.most(end)
      const known = looks.map((look, number) => (number < said[0] ? look : 'none'))
      expect(said[1], `case ${i}, ${cut ? 'cut' : 'flipped'}`).to.deep.equal(known)
    }
  })

  it('that are lists of bad blocks keep their file shut, or say what they said', async function () {
    requireUserfaultfd(this)
    const { before, after, warnings } = await remountDamaged(
      '.faultline/badblocks',
      (file, index, pmem) => {
        file.write(Buffer.alloc(16 * PAGE, 1), 0)
        file.sync()
        pmem.poison(file, (index % 15) * 512, 512 * (1 + (index % 40)))
        if (index % 3 === 0) pmem.poison(file, 15 * PAGE, 1, { latent: true })
      },
      (file, pmem) => pmem.badBlocks(file),
    )
    let shut = 0
    for (const [index, seen] of after.entries()) {
      if (!(seen instanceof Error)) expect(seen, `f${index}.pm`).to.deep.equal(before[index])
      else {
        expect(seen).to.be.instanceOf(PmemError).with.property('code', 'EIO')
        expect(seen.message).to.contain('badblocks')
        expect(warnings).to.contain(`f${index}.pm cannot be opened (EIO: its list of bad blocks`)
        shut++
      }
    }
    expect(shut).to.be.greaterThan(CASES / 2)
  })

  it('that are notes of allocated blocks are told by the mount, or say what they said', async function () {
    requireUserfaultfd(this)
    const { before, after, warnings } = await remountDamaged(
      '.faultline/blocks',
      (file, index) => {
        file.fallocate({ offset: 0, length: (1 + (index % 7)) * PAGE })
        file.fallocate({ offset: 9 * PAGE, length: (1 + (index % 5)) * PAGE })
      },
      (file) => file.stat().extents.map(({ start, end, state }) => [start, end, state]),
    )
    let dropped = 0
    for (const [index, seen] of after.entries()) {
      const isTold = warnings.includes(`.faultline/blocks/f${index}.pm is damaged and counts as empty`)
      expect(seen, `f${index}.pm`).to.deep.equal(isTold ? [] : before[index])
      dropped += Number(isTold)
    }
    expect(dropped).to.be.greaterThan(CASES / 2)
  })

  it('that are scenarios cost themselves and nothing else', async function () {
    requireUserfaultfd(this)
    const prng = new Prng(seedFor('scenarios that run'))
    const good = sampleScenarios() as { readonly name: string }[]
    const scenarios: Scenario[] = []
    while (scenarios.length < CASES / 10) {
      const deformed = { ...(deform(prng, good[prng.below(good.length)]) as object), name: `case ${scenarios.length}` }
      try {
        // One that is as it was after each: whatever the one before did to the process, it is answered.
        const whole = { ...good[prng.below(good.length)], name: `whole ${scenarios.length}` }
        const parsed = parseScenarios(JSON.stringify([deformed, whole]))
        if (!isLong(parsed)) scenarios.push(...parsed)
      } catch (error) {
        expect(error).to.be.instanceOf(ScenarioError)
      }
    }
    const told: string[] = []
    const failures: string[] = []
    await runScenarios(scenarios, {
      flavour: 'ext4',
      onResult: ({ name, failure = '' }) => {
        told.push(name)
        if (failure !== '' && (name.startsWith('whole') || failure.startsWith('no answer'))) failures.push(failure)
      },
    })
    expect(failures).to.deep.equal([])
    expect(told).to.deep.equal(scenarios.map(({ name }) => name))
  })
})
