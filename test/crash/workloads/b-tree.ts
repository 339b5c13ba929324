/**
 * Inserts into a B-tree that never changes a node: the path from the root is written anew, made durable, and one store
 * of 8 bytes makes the new root the root.
 *
 *   0     root: offset of a node, 0: empty tree (8 bytes)
 *   128   nodes of two lines: keys in it (8 bytes), is a leaf (8), up to 4 keys (from 16), up to 5 children (from 64)
 */
import type { CrashTest, Region } from '../../../lib/index.js'

const LINE = 64
const NODE = 2 * LINE
const FIRST_NODE = 128
const KEYS_MAX = 4
const KEYS = [50, 20, 70, 10, 30, 60, 40] as const

interface Node {
  readonly keys: readonly number[]
  /** Offsets; none in a leaf. */
  readonly children: readonly number[]
}

export interface BTreeSteps {
  /** Bytes of a node that are flushed. */
  flushNode: number
  fenceNode: boolean
  flushRoot: boolean
  fenceRoot: boolean
  /** Write a leaf that has room where it is. */
  inPlace: boolean
}

const CORRECT: BTreeSteps = { flushNode: NODE, fenceNode: true, flushRoot: true, fenceRoot: true, inPlace: false }

function readNode(pool: Region, at: number): Node {
  const count = Number(pool.load64(at))
  if (count < 1 || count > KEYS_MAX) throw new Error(`the node at ${at} says it has ${count} keys`)
  const keys = Array.from({ length: count }, (_, i) => Number(pool.load64(at + 16 + i * 8)))
  if (pool.load64(at + 8) === 1n) return { keys, children: [] }
  return { keys, children: Array.from({ length: count + 1 }, (_, i) => Number(pool.load64(at + 64 + i * 8))) }
}

function writeNode(pool: Region, at: number, { keys, children }: Node, steps: BTreeSteps): void {
  pool.mark('write node')
  pool.store64(at, keys.length)
  pool.store64(at + 8, children.length === 0 ? 1 : 0)
  for (const [i, key] of keys.entries()) pool.store64(at + 16 + i * 8, key)
  for (const [i, child] of children.entries()) pool.store64(at + 64 + i * 8, child)
  pool.mark('persist node')
  if (steps.flushNode > 0) pool.flush(at, Math.min(steps.flushNode, children.length === 0 ? LINE : NODE))
}

class Tree {
  #free: number

  constructor(
    private readonly pool: Region,
    private readonly steps: BTreeSteps,
  ) {
    this.#free = FIRST_NODE
    this.#each(Number(pool.load64(0)), (at) => (this.#free = Math.max(this.#free, at + NODE)))
  }

  insert(key: number): void {
    const { pool, steps } = this
    const root = Number(pool.load64(0))
    const parts = root === 0 ? [this.#make({ keys: [key], children: [] })] : this.#insertInto(root, key)
    const [left, middle, right] = parts
    const top =
      middle === undefined || right === undefined ? left : this.#make({ keys: [middle], children: [left ?? 0, right] })
    pool.mark('persist nodes')
    if (steps.fenceNode) pool.fence()
    if (top === root || top === undefined) return
    pool.mark('switch root')
    pool.store64(0, top)
    pool.mark('persist root')
    if (steps.flushRoot) pool.flush(0, 8)
    if (steps.fenceRoot) pool.fence()
  }

  keys(): number[] {
    const keys: number[] = []
    this.#each(Number(this.pool.load64(0)), (_, node) => keys.push(...node.keys))
    return keys.sort((a, b) => a - b)
  }

  /** Return: the new node, or two with the key between them. */
  #insertInto(at: number, key: number): [number] | [number, number, number] {
    const { keys, children } = readNode(this.pool, at)
    const place = keys.findIndex((other) => other > key)
    const i = place < 0 ? keys.length : place
    if (children.length === 0) {
      const inserted = keys.toSpliced(i, 0, key)
      if (!this.steps.inPlace || inserted.length > KEYS_MAX) return this.#split({ keys: inserted, children })
      writeNode(this.pool, at, { keys: inserted, children }, this.steps)
      return [at]
    }
    const [left, middle, right] = this.#insertInto(children[i] as number, key)
    if (middle === undefined || right === undefined) {
      return left === children[i] ? [at] : [this.#make({ keys, children: children.with(i, left) })]
    }
    return this.#split({ keys: keys.toSpliced(i, 0, middle), children: children.toSpliced(i, 1, left, right) })
  }

  #split({ keys, children }: Node): [number] | [number, number, number] {
    if (keys.length <= KEYS_MAX) return [this.#make({ keys, children })]
    const half = keys.length >> 1
    const left = this.#make({ keys: keys.slice(0, half), children: children.slice(0, half + 1) })
    const right = this.#make({ keys: keys.slice(half + 1), children: children.slice(half + 1) })
    return [left, keys[half] as number, right]
  }

  #make(node: Node): number {
    const at = this.#free
    this.#free += NODE
    writeNode(this.pool, at, node, this.steps)
    return at
  }

  #each(at: number, visit: (at: number, node: Node) => void): void {
    if (at === 0) return
    const node = readNode(this.pool, at)
    visit(at, node)
    for (const child of node.children) this.#each(child, visit)
  }
}

function bTree(name: string, changes: Partial<BTreeSteps> = {}): CrashTest<Region, number[]> {
  const steps = { ...CORRECT, ...changes }
  return {
    name: `B-tree, ${name}`,
    size: '8KiB',
    workload(pool) {
      const tree = new Tree(pool, steps)
      for (const key of KEYS) {
        pool.operation(`insert ${key}`, () => tree.insert(key))
        pool.acknowledged(`${key}`)
      }
    },
    recover: (pool) => new Tree(pool, CORRECT).keys(),
    check(keys, { acknowledged }) {
      const missing = [...acknowledged].filter((key) => !keys.includes(Number(key)))
      return missing.length === 0 || `${missing.join()} missing`
    },
    usable(pool) {
      const tree = new Tree(pool, CORRECT)
      tree.insert(5)
      return tree.keys().includes(5)
    },
  }
}

export const correct = bTree('correct')
export const nodeNotFlushed = bTree('node not flushed', { flushNode: 0 })
export const nodeHalfFlushed = bTree('node half flushed', { flushNode: LINE })
export const nodeNotFenced = bTree('node not fenced', { fenceNode: false })
export const rootNotFlushed = bTree('root not flushed', { flushRoot: false })
export const rootNotFenced = bTree('root not fenced', { fenceRoot: false })
export const insertedInPlace = bTree('inserted in place', { inPlace: true })
