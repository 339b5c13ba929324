/** What a stress run is for: bytes that are not what they should be. */

/** A byte, a length or an outcome that cannot be. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}

/** Compare all of two byte ranges. offset: of the first byte in the file. Errors: Mismatch naming first and last. */
export function expectSame(actual: Uint8Array, expected: Uint8Array, offset: number, what: () => string): void {
  if (Buffer.compare(actual, expected) === 0) return
  if (actual.length !== expected.length) {
    throw new Mismatch(`${what()}: ${actual.length} bytes instead of ${expected.length} from ${offset} on`)
  }
  let first = 0
  while (actual[first] === expected[first]) first++
  let last = actual.length - 1
  while (actual[last] === expected[last]) last--
  let count = 0
  for (let i = first; i <= last; i++) if (actual[i] !== expected[i]) count++
  throw new Mismatch(
    `${what()}: ${count} bytes differ between ${place(offset + first)} and ${place(offset + last)}; ` +
      `there is ${hex(actual, first)}, there should be ${hex(expected, first)}`,
  )
}

/** '12345 (page 3 + 57)'. */
export function place(offset: number): string {
  return `${offset} (page ${Math.floor(offset / 4096)} + ${offset % 4096})`
}

function hex(bytes: Uint8Array, from: number): string {
  return Buffer.from(bytes.subarray(from, from + 8)).toString('hex')
}
