/**
 * A tree as text, for assertions and for people, and the check of everything that should hold in one.
 * Context of both: the tree's lock is held; they only read.
 */
import { BugError } from '../assert.js'
import { type Entry, NULL_ENTRY, describeEntry, isInternal, isNodePointer, isSibling, isZero } from './entry.js'
import { canonicalOffset, isEmpty, nodeIdOf, orderOf } from './entry.js'
import { NodeWord } from './node.js'
import type { NodePool } from './node-pool.js'
import type { RadixTree } from './radix-tree.js'
import { Mark, RootWord } from './root.js'

/** A dump is read by people, and may be made of a tree with a million nodes or of one with a cycle. */
const DUMP_LINES_MAX = 400

/**
 * One line a node and a slot; runs of siblings are shown as a range. D and W are the marks.
 *
 *     root 16: 2 entries, 513 pages, marks D
 *     node 1 shift 6 count 9 marks D
 *       [0] node 2 shift 0 count 1
 *         [5] 5: E4+L
 *       [8..15] 512: D2M pfn 512 D
 */
export function dumpTree(tree: RadixTree, root: number): string {
  const marks = marksText(tree.isMarked(root, Mark.Dirty), tree.isMarked(root, Mark.ToWrite))
  const lines = [
    `root ${root}: ${tree.entryCount(root)} entries, ${tree.pageCount(root)} pages${marks && ', marks' + marks}`,
  ]
  const head = tree.pool.words.get(root + RootWord.Head)
  if (isNodePointer(head)) dumpNode(tree.pool, nodeIdOf(head), 0, '', '', lines)
  else if (head !== NULL_ENTRY) lines.push(`head is ${describeEntry(head)}`)
  if (lines.length >= DUMP_LINES_MAX) lines.push('…')
  return lines.join('\n')
}

function dumpNode(pool: NodePool, id: number, start: number, indent: string, slot: string, lines: string[]): void {
  const { words, format } = pool
  const node = pool.at(id)
  const shift = words.get(node + NodeWord.Shift)
  const count = words.get(node + NodeWord.Count)
  const marks = marksText(format.anyMarked(node, Mark.Dirty), format.anyMarked(node, Mark.ToWrite))
  lines.push(`${indent}${slot}node ${id} shift ${shift} count ${count}${marks && ' marks' + marks}`)
  for (let offset = 0; offset < format.fanOut && lines.length < DUMP_LINES_MAX; offset++) {
    const entry = format.slot(node, offset)
    if (entry === NULL_ENTRY) continue
    const index = start + offset * 2 ** shift
    let last = offset
    while (last + 1 < format.fanOut && isSiblingOf(format.slot(node, last + 1), offset)) last++
    const slots = last === offset ? `[${offset}]` : `[${offset}..${last}]`
    if (isNodePointer(entry) && shift > 0) {
      dumpNode(pool, nodeIdOf(entry), index, `${indent}  `, `${slots} `, lines)
    } else {
      const own = marksText(format.testMark(node, Mark.Dirty, offset), format.testMark(node, Mark.ToWrite, offset))
      lines.push(`${indent}  ${slots} ${index}: ${describeEntry(entry)}${own}`)
    }
    offset = last
  }
}

function marksText(dirty: boolean, toWrite: boolean): string {
  return dirty || toWrite ? ` ${dirty ? 'D' : ''}${toWrite ? 'W' : ''}` : ''
}

function isSiblingOf(entry: Entry, offset: number): boolean {
  return isSibling(entry) && canonicalOffset(entry) === offset
}

/**
 * Check every invariant of a tree: links, counts, shape, marks, siblings, orders, and that zero and empty entries are
 * not dirty (K6). Throws BugError with the dump.
 * Return: number of nodes. Their sum over all trees of a pool is pool.inUse, or nodes have leaked.
 */
export function verifyTree(tree: RadixTree, root: number): number {
  return new Verifier(tree, root).run()
}

class Verifier {
  #entries = 0
  #pages = 0
  #nodes = 0
  readonly #pool: NodePool

  constructor(
    readonly tree: RadixTree,
    readonly root: number,
  ) {
    this.#pool = tree.pool
  }

  run(): number {
    const { words, format } = this.#pool
    const head = words.get(this.root + RootWord.Head)
    let marks = 0
    if (head !== NULL_ENTRY) {
      this.#check(isNodePointer(head), 'the head is not a node')
      const id = this.#idOf(head)
      const node = this.#pool.at(id)
      const needless = words.get(node + NodeWord.Count) === 1 && isNodePointer(format.slot(node, 0))
      this.#check(!needless, 'the head is a needless detour')
      marks = this.#node(id, 0, 0, words.get(node + NodeWord.Shift), 0)
    }
    this.#check(words.get(this.root + RootWord.Marks) === marks, 'root marks differ from those of the head')
    this.#check(this.tree.entryCount(this.root) === this.#entries, 'wrong entry count')
    this.#check(this.tree.pageCount(this.root) === this.#pages, 'wrong page count')
    return this.#nodes
  }

  /** start: first index of the node. Return: its marks, as bits like those of the root. */
  #node(id: number, parent: number, offset: number, shift: number, start: number): number {
    const { words, format } = this.#pool
    const node = this.#pool.at(id)
    const name = `node ${id}`
    this.#nodes++
    this.#check(this.#nodes <= this.#pool.capacity, 'more nodes than the pool has')
    this.#check(words.get(node + NodeWord.Shift) === shift, `${name}: wrong shift`)
    this.#check(shift >= 0 && shift < 32 && shift % format.bits === 0, `${name}: impossible shift`)
    this.#check(words.get(node + NodeWord.Parent) === parent, `${name}: wrong parent`)
    this.#check(words.get(node + NodeWord.Offset) === offset, `${name}: wrong offset in parent`)
    let count = 0
    let marks = 0
    for (let at = 0; at < format.fanOut; at++) {
      const entry = format.slot(node, at)
      const own = this.#marksOf(node, at)
      if (entry !== NULL_ENTRY) count++
      this.#check(own === this.#slot(id, at, shift, start + at * 2 ** shift, own), `${name}[${at}]: wrong marks`)
      marks |= own
    }
    for (const mark of [Mark.Dirty, Mark.ToWrite]) {
      const past = format.fanOut < 32 ? words.get(format.markAt(node, mark, 0)) >>> format.fanOut : 0
      this.#check(past === 0, `${name}: mark past the last slot`)
    }
    this.#check(count === words.get(node + NodeWord.Count), `${name}: wrong count`)
    this.#check(count > 0, `${name}: empty`)
    return marks
  }

  /** Return: the marks this slot should have, given that it has `own`. */
  #slot(id: number, at: number, shift: number, index: number, own: number): number {
    const { format } = this.#pool
    const entry = format.slot(this.#pool.at(id), at)
    const name = `node ${id}[${at}]`
    if (entry === NULL_ENTRY) return 0
    this.#check(index < 2 ** 32, `${name}: index past the end`)
    if (isNodePointer(entry)) {
      this.#check(shift > 0, `${name}: node pointer in a leaf`)
      return this.#node(this.#idOf(entry), id, at, shift - format.bits, index)
    }
    if (isInternal(entry)) {
      const canonical = canonicalOffset(entry)
      this.#check(canonical < at, `${name}: sibling of a later slot`)
      const first = format.slot(this.#pool.at(id), canonical)
      this.#check(!isInternal(first) && first !== NULL_ENTRY, `${name}: sibling of no entry`)
      this.#check(at - canonical < 2 ** (orderOf(first) - shift), `${name}: sibling outside its entry`)
      return 0
    }
    this.#entry(id, at, shift, index)
    const dirtyHole = (isZero(entry) || isEmpty(entry)) && (own & (1 << Mark.Dirty)) !== 0
    this.#check(!dirtyHole, `${name}: a zero or empty entry is dirty`)
    return own
  }

  #entry(id: number, at: number, shift: number, index: number): void {
    const { format } = this.#pool
    const node = this.#pool.at(id)
    const order = orderOf(format.slot(node, at))
    const name = `node ${id}[${at}]`
    this.#check(order >= shift && order < shift + format.bits, `${name}: entry on the wrong level`)
    this.#check(index % 2 ** order === 0, `${name}: entry not aligned to its order`)
    for (let next = 1; next < 2 ** (order - shift); next++) {
      this.#check(isSiblingOf(format.slot(node, at + next), at), `${name}: slot ${at + next} is not its sibling`)
    }
    this.#entries++
    this.#pages += 2 ** order
  }

  #marksOf(node: number, offset: number): number {
    const { format } = this.#pool
    const dirty = format.testMark(node, Mark.Dirty, offset) ? 1 << Mark.Dirty : 0
    return dirty | (format.testMark(node, Mark.ToWrite, offset) ? 1 << Mark.ToWrite : 0)
  }

  #idOf(entry: Entry): number {
    const id = nodeIdOf(entry)
    this.#check(id >= 1 && id <= this.#pool.capacity, `no such node: ${id}`)
    return id
  }

  #check(holds: boolean, message: string): void {
    if (!holds) throw new BugError(message, dumpTree(this.tree, this.root))
  }
}
