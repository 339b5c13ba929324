/** An actor with a black box, and the bugs that are planted to see whether they are found. */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Actor } from './actor.js'
import type { Surface } from './surface.js'
import { TABLE } from './table.js'
import { CallbackError, literal } from './values.js'

const RECORD_BYTES = 512

/** Bad functions: a fuzzer that passes over one of them finds nothing. */
const PLANTS: Readonly<Record<string, () => unknown>> = {
  throws: () => {
    throw new Error('planted')
  },
  accident: () => (undefined as unknown as { x: number }).x,
  crashes: () => process.kill(process.pid, 'SIGSEGV'),
  hangs: () => {
    for (;;);
  },
  leaks: () => openSync('/dev/null', 'r'),
}

/** Listeners that throw do so on the event loop too, which is nobody's fault but the program's. */
process.on('uncaughtException', (error) => {
  if (!(error instanceof CallbackError)) throw error
})

export function makeActor({ scratch, thread, plant }: { scratch: string; thread: number; plant: string }): Actor {
  const planted = Object.fromEntries(plant.split(' ').flatMap((name) => (name === '' ? [] : [[name, PLANTS[name]]])))
  const extra: Surface = Object.fromEntries(
    Object.keys(planted).map((name) => [name, { args: fc.constant([literal(1)]), weight: 20 }]),
  )
  // Written before each call, so that it is there when the process is not.
  const box = openSync(join(scratch, `thread-${thread}.txt`), 'w')
  return new Actor(join(scratch, `own-${thread}`), { ...TABLE, ...extra }, planted, (text) => {
    writeSync(
      box,
      text
        .replaceAll('\n', ' ')
        .slice(0, RECORD_BYTES - 1)
        .padEnd(RECORD_BYTES),
      0,
    )
  })
}
