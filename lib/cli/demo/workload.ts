/** What the demo writes: groups of records whose payloads anybody who knows the seed can make again. */
import { Prng } from '../../prng.js'
import type { RecordLog } from './record-log.js'

const SALT_BYTES = 4
const GROUP_MAX = 8
/** Most records span a few lines, some a few pages. */
const SMALL_MAX = 600
const LARGE_MAX = 12_000

/**
 * Payload of a record. salt: differs between two attempts at the same sequence number (the round, say), so that what is
 * left of an attempt that failed cannot pass for the one that succeeded.
 */
export function makePayload(seed: number, sequence: number, salt: number): Uint8Array {
  const prng = new Prng(seed * 2 ** 20 + sequence * 64 + (salt % 64))
  const length = SALT_BYTES + prng.below(prng.chance(0.05) ? LARGE_MAX : SMALL_MAX)
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => prng.next())
  words[0] = salt
  return new Uint8Array(words.buffer, 0, length)
}

/** Return: true when a record holds what makePayload made for it. */
export function isPayload(payload: Uint8Array, seed: number, sequence: number): boolean {
  if (payload.length < SALT_BYTES) return false
  const salt = Buffer.from(payload.buffer, payload.byteOffset, SALT_BYTES).readUInt32LE(0)
  return Buffer.compare(payload, makePayload(seed, sequence, salt)) === 0
}

/** Append 1 … 8 records. Return: the sequence number of the last. */
export function appendGroup(log: RecordLog, seed: number, salt: number, prng: Prng): number {
  for (let left = 1 + prng.below(GROUP_MAX); left > 0; left--) log.append(makePayload(seed, log.last + 1, salt))
  return log.last
}
