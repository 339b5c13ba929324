/** Damage to files: what disks, editors and interrupted copies do to them, and what nobody does. */
import type { Prng } from '../../lib/prng.js'

const EDITS_MAX = 4
/** What formats made of text are most likely to trip over. */
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  ';',
  '|',
  '\n',
  '\0',
  '-',
  '0',
  '9',
  '99999999999999999999',
  '1e308',
  'null',
  'ÿ',
]
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, '', 'x', -1, 0, 0.5, 1e308, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53, -(2 ** 53)],
  ...[[], {}, [[]], '0xffffffffffffffff', '-0x1', '18446744073709551615', '\0', '../x', 'x'.repeat(300)],
]

/** Return: the bytes with one to four edits. */
export function damage(prng: Prng, bytes: Uint8Array): Buffer {
  let result: Buffer = Buffer.from(bytes)
  for (let edits = 1 + prng.below(EDITS_MAX); edits > 0; edits--) result = edit(prng, result)
  return result
}

/** One edit of a few bytes: the least there is, and what a checksum must notice. */
export function damageLittle(prng: Prng, bytes: Uint8Array): Buffer {
  const result = Buffer.from(bytes)
  if (result.length === 0) return Buffer.from('x')
  const at = prng.below(result.length)
  result[at] = (result[at] as number) ^ (1 << prng.below(8))
  return result
}

function edit(prng: Prng, bytes: Buffer): Buffer {
  const at = prng.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + 1 + prng.below(16))
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)]
  switch (prng.below(6)) {
    case 0:
      return damageLittle(prng, bytes)
    case 1:
      return Buffer.concat([before, after])
    case 2:
      return Buffer.concat([before, part, part, after])
    case 3:
      return Buffer.from(before)
    case 4:
      return Buffer.concat([before, Buffer.from(PIECES[prng.below(PIECES.length)] ?? ''), part, after])
    default:
      return Buffer.concat([before, Buffer.from(PIECES[prng.below(PIECES.length)] ?? ''), after])
  }
}

/** Return: a value of JSON with one place in it changed, removed, or doubled. */
export function deform(prng: Prng, value: unknown): unknown {
  const odd = (): unknown => ODD_VALUES[prng.below(ODD_VALUES.length)]
  if (typeof value !== 'object' || value === null) return odd()
  const keys = Object.keys(value)
  if (keys.length === 0 || prng.chance(0.05)) return odd()
  const key = keys[prng.below(keys.length)] as string
  const inner = (value as Record<string, unknown>)[key]
  const action = prng.below(8)
  if (Array.isArray(value)) {
    const index = Number(key)
    const list = [...(value as unknown[])]
    if (action === 0) list.splice(index, 1)
    else if (action === 1) list.splice(index, 0, inner)
    else list[index] = deform(prng, inner)
    return list
  }
  const entries = Object.entries(value)
  if (action === 0) return Object.fromEntries(entries.filter(([name]) => name !== key))
  if (action === 1) return { ...value, [prng.chance(0.5) ? 'nonsense' : '__proto__']: odd() }
  return Object.fromEntries(entries.map(([name, each]) => [name, name === key ? deform(prng, each) : each]))
}
