/**
 * Memory that tells which bytes are loaded from it: a Proxy over a Buffer, for programs that read images as such.
 *
 * Indices, DataView-like read methods of Buffer (they go through indices) and subarray are followed exactly; any other
 * method counts as a load of all of it, which costs work and never misses a load. Only the guided engine uses it.
 */
export function watchedImage(image: Buffer, onLoad: (offset: number, length: number) => void, start = 0): Buffer {
  const proxy: Buffer = new Proxy(image, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        onLoad(start + Number(key), 1)
        return target[Number(key)]
      }
      if (key === 'length' || key === 'byteLength') return target.length
      if (key === 'subarray' || key === 'slice') {
        return (from = 0, to = target.length) => {
          const part = target.subarray(from, to)
          return watchedImage(part, onLoad, start + part.byteOffset - target.byteOffset)
        }
      }
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      if (typeof key === 'string' && /^read/.test(key)) return value.bind(proxy) as unknown
      onLoad(start, target.length)
      return value.bind(target) as unknown
    },
  })
  return proxy
}
