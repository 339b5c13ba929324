/**
 * JSON that tells when a byte of it has changed: an object whose last key is the CRC-32 of the rest.
 *
 *   {"format":1,"bad":[[8,1]],"sum":"1c291ca3"}      of the text {"format":1,"bad":[[8,1]]}
 *
 * One without a sum is believed, so that people and tools can write them; whoever reads checks which keys there are, so
 * a sum whose own key was damaged does not count as none.
 */
const SEALED = /^(.*),"sum":"([0-9a-f]{8})"\}$/s

/** value: an object that is not empty. Return: its JSON with a sum. */
export function sealJson(value: object): string {
  const text = JSON.stringify(value)
  return `${text.slice(0, -1)},"sum":"${sumOf(text)}"}`
}

/**
 * keys: those the object must have; it may have no others. Undefined: any.
 * Errors: Error saying what is wrong with the text.
 */
export function openJson(text: string, keys?: readonly string[]): Record<string, unknown> {
  const [, body, sum] = SEALED.exec(text) ?? []
  const plain = body === undefined ? text : `${body}}`
  if (sum !== undefined && sum !== sumOf(plain)) throw new Error('its checksum is wrong')
  let value: unknown
  try {
    value = JSON.parse(plain)
  } catch {
    throw new Error('it is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no JSON object')
  if (keys === undefined) return value as Record<string, unknown>
  const found = Object.keys(value)
  const odd = found.find((key) => !keys.includes(key)) ?? keys.find((key) => !found.includes(key))
  if (odd !== undefined) throw new Error(`it must have the keys ${keys.join(', ')}; see ${JSON.stringify(odd)}`)
  return value as Record<string, unknown>
}

/** The same for one that has a sum, whatever its keys are. Errors: Error. */
export function openSealedJson(text: string): Record<string, unknown> {
  if (!SEALED.test(text)) throw new Error('it has no checksum')
  return openJson(text)
}

function sumOf(text: string): string {
  // Not imported: every fault worker would load it, and few come to read a note.
  return process.getBuiltinModule('node:zlib').crc32(text).toString(16).padStart(8, '0')
}
