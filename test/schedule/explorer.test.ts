/** The explorer checked: it misses no interleaving of programs that can be counted, and finds planted bugs. */
import { expect } from 'chai'
import { type Outcome, explore } from './explore.js'
import { Explorer } from './explorer.js'
import type { Harness } from './harness.js'
import { findHarness } from './harnesses/registry.js'
import { DepthFirst } from './schedulers/depth-first.js'
import { Pct } from './schedulers/pct.js'
import { RandomScheduler } from './schedulers/random.js'
import { Replay, formatReplay, parseReplay } from './schedulers/replay.js'
import { RoundRobin } from './schedulers/round-robin.js'
import type { Scheduler } from './schedulers/scheduler.js'
import * as toys from './toys.js'
import type { ViolationKind } from './violation.js'

const SEED = 42

/** Sequences of `steps` steps of each thread in which at most `bound` times one that had steps left was stopped. */
function countInterleavings(threads: number, steps: number, bound: number): number {
  const count = (left: readonly number[], current: number, preemptions: number): number => {
    if (preemptions > bound) return 0
    if (left.every((each) => each === 0)) return 1
    let sum = 0
    left.forEach((each, thread) => {
      if (each === 0) return
      const preempts = thread !== current && current >= 0 && (left[current] ?? 0) > 0
      const rest = left.map((other, i) => (i === thread ? other - 1 : other))
      sum += count(rest, thread, preemptions + (preempts ? 1 : 0))
    })
    return sum
  }
  return count(
    Array.from({ length: threads }, () => steps),
    -1,
    0,
  )
}

describe('schedule/explorer', () => {
  let explorer: Explorer | undefined

  afterEach(async () => {
    await explorer?.stop()
    explorer = undefined
  })

  async function run(harness: Harness, scheduler: Scheduler): Promise<Outcome> {
    explorer ??= await Explorer.start(harness)
    return explore(explorer, scheduler)
  }

  it('makes every interleaving once: C(6,3) of two threads, 6!/2!2!2! of three', async () => {
    expect((await run(toys.COUNTER_OF_TWO, new DepthFirst(Infinity))).executions).to.equal(20)
    await explorer?.stop()
    explorer = undefined
    expect((await run(toys.COUNTER_OF_THREE, new DepthFirst(Infinity))).executions).to.equal(90)
  })

  for (const bound of [0, 1, 2, 3]) {
    it(`makes every interleaving with up to ${bound} preemptions once, as counted by brute force`, async () => {
      const two = await run(toys.COUNTER_OF_TWO, new DepthFirst(bound))
      expect(two.executions).to.equal(countInterleavings(2, 3, bound))
      await explorer?.stop()
      explorer = undefined
      const three = await run(toys.COUNTER_OF_THREE, new DepthFirst(bound))
      expect(three.executions).to.equal(countInterleavings(3, 2, bound))
    })
  }

  it('preempts nobody before steps on words that only one thread touches', async () => {
    const { executions, finding } = await run(toys.OWN_WORDS, new DepthFirst(Infinity))
    expect([executions, finding]).to.deep.equal([2, undefined])
  })

  for (const name of ['hole-read-write', 'mkwrite-writeback']) {
    it(`comes to the same final states of ${name} as preempting before each step does`, async () => {
      const reduced = await run(findHarness(name), new DepthFirst(2))
      await explorer?.stop()
      explorer = await Explorer.start(findHarness(name), true)
      const all = await run(findHarness(name), new DepthFirst(2))
      expect(all.executions).to.be.greaterThan(reduced.executions)
      expect(reduced.states.size).to.be.greaterThan(1)
      expect([...reduced.states].sort()).to.deep.equal([...all.states].sort())
    })
  }

  it('finds nothing in a correct program, whichever the scheduler', async () => {
    const schedulers = [new DepthFirst(2), new Pct(SEED, 3, 3, 200), new RandomScheduler(SEED, 200), new RoundRobin(8)]
    for (const scheduler of schedulers) {
      const { finding, complete } = await run(toys.MUTEX, scheduler)
      expect([finding, complete], scheduler.name).to.deep.equal([undefined, true])
    }
  })

  const planted: readonly [Harness, ViolationKind, number][] = [
    [toys.MISSING_WAKE, 'lost wake-up', 0],
    [toys.EARLY_WAKE, 'lost wake-up', 1],
    [toys.LOCK_ORDER, 'deadlock', 1],
    [toys.TORN_UPDATE, 'invariant', 1],
    [toys.TWO_PREEMPTIONS, 'invariant', 2],
    [toys.PLAIN_RACE, 'race', 0],
    [toys.STRANGER, 'unlock by a stranger', 1],
    [toys.ENTRY_STRANGER, 'unlock by a stranger', 1],
    [toys.SLEEP_WITH_ENTRY, 'sleep with an entry lock', 1],
    [toys.LIVELOCK, 'livelock', 0],
  ]
  for (const [harness, kind, preemptions] of planted) {
    it(`finds a ${kind} with ${preemptions} preemptions and no fewer: ${harness.shows}`, async () => {
      for (let bound = 0; bound < preemptions; bound++) {
        expect((await run(harness, new DepthFirst(bound))).finding, `bound ${bound}`).to.equal(undefined)
      }
      const { finding } = await run(harness, new DepthFirst(preemptions))
      expect([finding?.kind, finding?.preemptions], finding?.message).to.deep.equal([kind, preemptions])
    })

    it(`makes it again from one string: ${harness.name}`, async () => {
      const { finding } = await run(harness, new DepthFirst(preemptions))
      const { given } = parseReplay(finding?.replay ?? '')
      const again = await run(harness, new Replay(given))
      expect([again.finding?.kind, again.finding?.message]).to.deep.equal([kind, finding?.message])
      expect(again.finding?.replay).to.equal(finding?.replay)
    })
  }

  it('finds bugs by PCT and at random too, with strings that make them again', async () => {
    const { finding } = await run(toys.LOCK_ORDER, new Pct(SEED, 2, 2, 1000))
    expect(finding?.kind).to.equal('deadlock')
    const random = await run(toys.LOCK_ORDER, new RandomScheduler(SEED, 1000))
    expect(random.finding?.kind).to.equal('deadlock')
    for (const { replay } of [finding!, random.finding!]) {
      const again = await run(toys.LOCK_ORDER, new Replay(parseReplay(replay).given))
      expect(again.finding?.kind).to.equal('deadlock')
    }
  })

  it('goes on after a violation as if nothing had been', async () => {
    expect((await run(toys.LOCK_ORDER, new DepthFirst(1))).finding?.kind).to.equal('deadlock')
    const { executions, finding } = await run(toys.LOCK_ORDER, new DepthFirst(0))
    expect([executions, finding]).to.deep.equal([2, undefined])
  })

  it('tries each sleeper where a notify wakes one of several', async () => {
    const { states, finding } = await run(toys.ANY_SLEEPER, new DepthFirst(2))
    expect(finding).to.equal(undefined)
    expect(states.size).to.be.greaterThan(2)
  })

  it('takes the same decisions for the same choices: each of 200 random schedules twice', async () => {
    const seen: string[] = []
    for (const round of [0, 1]) {
      const scheduler = new RandomScheduler(SEED, 200)
      explorer ??= await Explorer.start(toys.MUTEX)
      for (let plan = scheduler.next(), i = 0; plan !== undefined; plan = scheduler.next(), i++) {
        const { taken, steps } = explorer.run(plan)
        const text = `${formatReplay('toy', taken)} ${steps}`
        // The first round has also learned what threads compete for.
        if (round === 0 && i < 100) continue
        if (round === 0) seen.push(text)
        else if (i >= 100) expect(text).to.equal(seen[i - 100])
      }
    }
  })

  it('refuses strings that are no replay', () => {
    for (const text of ['', 'fault-fault', 'fault-fault:', 'fault-fault:9x1', 'fault-fault:0x1.x', 'no such:0']) {
      expect(() => parseReplay(text), text).to.throw(RangeError)
    }
  })
})
