/**
 * An ordered map of disjoint extents [start, start + length) to (value, state).
 *
 *   root    one word, given per call; 0 is the empty tree, so zeroed memory is one. No other state: any thread can make
 *           its own ExtentTree over the same words, and one object serves every inode
 *   lock    the caller holds the lock that guards the root (for a file: the inode's ilock); the pool locks itself
 *   errors  -ENOSPC when the pool is exhausted; then nothing has changed
 *
 * Conventions. `start`, `end` and `key` are in the unit of the user (pages, bytes); `end` is the first key not inside.
 * `value` goes with `start`: key `start + n` stands for `value + n` (a page frame number). In a *valueless* tree every
 * value is 0 and stays 0. Two neighbours that say the same thing (equal states, and the second's value goes on where
 * the first's stops) are always one record: callers may take the length of an extent for the length of the run.
 */
import { assert } from '../assert.js'
import { ErrorNumber, type Errno } from '../errors.js'
import type { SharedWords } from '../sync/shared-words.js'
import type { ExtentPool } from './extent-pool.js'
import { ExtentTreap } from './extent-treap.js'

const VALUE_MAX = 0x7fffffff

/** What a look-up found. The caller owns it and uses it again, so that looking up allocates nothing. */
export class ExtentCursor {
  start = 0
  length = 0
  value = 0
  state = 0
}

export class ExtentTree {
  readonly #pool: ExtentPool
  readonly #treap: ExtentTreap
  readonly #valueless: boolean

  constructor(words: SharedWords, pool: ExtentPool, valueless = false) {
    this.#pool = pool
    this.#treap = new ExtentTreap(words, pool)
    this.#valueless = valueless
  }

  /** Return: true with the extent that contains `key` in `cursor`; false when there is none. */
  find(root: number, key: number, cursor: ExtentCursor): boolean {
    const id = this.#treap.endingAfter(root, key)
    return id !== 0 && this.#pool.startOf(id) <= key && this.#report(id, cursor)
  }

  /** Return: true with the first extent that ends after `key` (it contains `key`, or follows it) in `cursor`. */
  findFrom(root: number, key: number, cursor: ExtentCursor): boolean {
    return this.#report(this.#treap.endingAfter(root, key), cursor)
  }

  /** Return: true with the last extent that starts before `key` (it may contain `key`) in `cursor`. */
  previous(root: number, key: number, cursor: ExtentCursor): boolean {
    return this.#report(this.#treap.startingBefore(root, key), cursor)
  }

  /**
   * Map [start, start + length) to `value` and `state`, whatever was there before; what sticks out on either side of
   * the range stays as it was.
   *
   * Return: 0, or -ENOSPC. Takes at most one record, or two when the range lies strictly inside one extent.
   */
  insert(root: number, start: number, length: number, value: number, state: number): Errno {
    const pool = this.#pool
    this.#checkRange(start, length)
    this.#checkValue(value, length)
    const end = start + length
    const left = this.#touchingLeft(root, start)
    const right = this.#touchingRight(root, end)
    const joinsLeft = left !== 0 && this.#agrees(left, start, value, state)
    const joinsRight = right !== 0 && this.#agrees(right, start, value, state)
    if (left !== 0 && left === right) return joinsLeft ? 0 : this.#insertWithin(root, left, start, end, value, state)

    // `home` is the record that becomes the extent. One that is in the way anyway is taken over, never freed and
    // allocated again: once freed, another inode may have it, and the failure would come after the damage.
    let home = joinsLeft ? left : joinsRight ? right : this.#firstInside(root, start, end)
    const isFresh = home === 0
    if (isFresh) home = pool.allocate()
    if (home === 0) return -ErrorNumber.ENOSPC

    const newStart = joinsLeft ? pool.startOf(left) : start
    const newValue = joinsLeft ? pool.valueOf(left) : value
    const newEnd = joinsRight ? this.#endOf(right) : end
    if (left !== 0 && !joinsLeft) pool.setLength(left, start - pool.startOf(left))
    if (right !== 0 && !joinsRight) this.#cutHead(right, end)
    this.#dropBetween(root, start, newEnd, home)
    // Only now is `home` alone between its neighbours, so that its start may move without changing the order.
    this.#write(home, newStart, newEnd, newValue, state)
    if (isFresh) this.#treap.link(root, home)
    return 0
  }

  /**
   * Unmap [start, start + length); what sticks out on either side stays.
   * Return: 0, or -ENOSPC: a range strictly inside one extent takes one record.
   */
  remove(root: number, start: number, length: number): Errno {
    const pool = this.#pool
    this.#checkRange(start, length)
    const end = start + length
    const left = this.#touchingLeft(root, start)
    const right = this.#touchingRight(root, end)
    let tail = 0
    if (left !== 0 && left === right) {
      tail = pool.allocate()
      if (tail === 0) return -ErrorNumber.ENOSPC
      this.#copyTail(left, end, tail)
    } else if (right !== 0) this.#cutHead(right, end)
    if (left !== 0) pool.setLength(left, start - pool.startOf(left))
    this.#dropBetween(root, start, end, 0)
    if (tail !== 0) this.#treap.link(root, tail)
    return 0
  }

  /** Forget every extent. */
  clear(root: number): void {
    this.#treap.clear(root)
  }

  /**
   * Move every key from `from` on by `delta`; values go along. For collapse range (delta < 0: [from + delta, from) must
   * be empty) and insert range (delta > 0: an extent across `from` is cut there). Extents that come to meet are joined.
   *
   * Return: 0, or -ENOSPC when there is no record for the cut.
   */
  shift(root: number, from: number, delta: number): Errno {
    assert(Number.isSafeInteger(delta) && Number.isSafeInteger(from), 'shift by a whole number', { from, delta })
    assert(from >= 0 && from + delta >= 0, 'shift below zero', { from, delta })
    if (delta > 0) return this.#shiftUp(root, from, delta)
    if (delta < 0) this.#shiftDown(root, from, delta)
    return 0
  }

  /** Return: the number of extents. Visits all of them. */
  count(root: number): number {
    let count = 0
    for (let id = this.#treap.startingFrom(root, 0); id !== 0; id = this.#following(root, id)) count++
    return count
  }

  /** Return: the number of keys mapped. Visits all extents. */
  totalLength(root: number): number {
    let total = 0
    for (let id = this.#treap.startingFrom(root, 0); id !== 0; id = this.#following(root, id)) {
      total += this.#pool.lengthOf(id)
    }
    return total
  }

  /** Throws BugError unless order, disjointness, treap shape and complete joining hold. For tests and assertions. */
  verify(root: number): void {
    const pool = this.#pool
    let before = 0
    for (const id of this.#treap.inOrder(root)) {
      const dump = () => [before, id].map((each) => this.#describe(each))
      assert(pool.lengthOf(id) > 0, 'empty extent', dump)
      assert(!this.#valueless || pool.valueOf(id) === 0, 'value in a valueless extent tree', dump)
      if (before !== 0) {
        const start = pool.startOf(id)
        assert(this.#endOf(before) <= start, 'extents out of order or overlapping', dump)
        const saysTheSame = this.#agrees(before, start, pool.valueOf(id), pool.stateOf(id))
        assert(this.#endOf(before) < start || !saysTheSame, 'neighbouring extents not joined', dump)
      }
      before = id
    }
  }

  #insertWithin(root: number, outer: number, start: number, end: number, value: number, state: number): Errno {
    const pool = this.#pool
    const middle = pool.allocate()
    if (middle === 0) return -ErrorNumber.ENOSPC
    const tail = pool.allocate()
    if (tail === 0) {
      pool.free(middle)
      return -ErrorNumber.ENOSPC
    }
    this.#copyTail(outer, end, tail)
    pool.setLength(outer, start - pool.startOf(outer))
    this.#write(middle, start, end, value, state)
    this.#treap.link(root, middle)
    this.#treap.link(root, tail)
    return 0
  }

  #shiftUp(root: number, from: number, delta: number): Errno {
    const pool = this.#pool
    let id = this.#treap.startingBefore(root, Infinity)
    if (id === 0 || this.#endOf(id) <= from) return 0
    assert(Number.isSafeInteger(this.#endOf(id) + delta), 'shift past the largest key', { from, delta })
    const across = this.#treap.startingBefore(root, from)
    let tail = 0
    if (across !== 0 && this.#endOf(across) > from) {
      tail = pool.allocate()
      if (tail === 0) return -ErrorNumber.ENOSPC
      this.#copyTail(across, from, tail)
      pool.setLength(across, from - pool.startOf(across))
    }
    // From the last to the first, so that no record overtakes another.
    while (id !== 0 && pool.startOf(id) >= from) {
      const start = pool.startOf(id)
      pool.setStart(id, start + delta)
      id = this.#treap.startingBefore(root, start)
    }
    if (tail !== 0) {
      pool.setStart(tail, from + delta)
      this.#treap.link(root, tail)
    }
    return 0
  }

  #shiftDown(root: number, from: number, delta: number): void {
    const pool = this.#pool
    const target = from + delta
    const inTheWay = this.#treap.endingAfter(root, target)
    assert(inTheWay === 0 || pool.startOf(inTheWay) >= from, 'shift onto an extent', () => this.#describe(inTheWay))
    // From the first to the last, for the same reason.
    let id = inTheWay
    while (id !== 0) {
      const start = pool.startOf(id)
      pool.setStart(id, start + delta)
      id = this.#treap.startingFrom(root, start + 1)
    }
    const left = this.#touchingLeft(root, target)
    const right = this.#treap.startingFrom(root, target)
    if (left === 0 || right === 0 || pool.startOf(right) !== target) return
    if (!this.#agrees(left, target, pool.valueOf(right), pool.stateOf(right))) return
    pool.setLength(left, this.#endOf(right) - pool.startOf(left))
    this.#treap.unlink(root, right)
    pool.free(right)
  }

  /** Return: the extent that starts before `start` and reaches it, or 0. */
  #touchingLeft(root: number, start: number): number {
    const id = this.#treap.startingBefore(root, start)
    return id !== 0 && this.#endOf(id) >= start ? id : 0
  }

  /** Return: the extent that ends after `end` and reaches it, or 0. */
  #touchingRight(root: number, end: number): number {
    const id = this.#treap.endingAfter(root, end)
    return id !== 0 && this.#pool.startOf(id) <= end ? id : 0
  }

  #firstInside(root: number, start: number, end: number): number {
    const id = this.#treap.startingFrom(root, start)
    return id !== 0 && this.#endOf(id) <= end ? id : 0
  }

  #following(root: number, id: number): number {
    return this.#treap.startingFrom(root, this.#endOf(id))
  }

  /** Would extent `id`, carried on (forwards or backwards) to `key`, say `value` and `state` there? */
  #agrees(id: number, key: number, value: number, state: number): boolean {
    if (this.#pool.stateOf(id) !== state) return false
    return this.#valueless || this.#pool.valueOf(id) + (key - this.#pool.startOf(id)) === value
  }

  /** Free the records that start in [start, end), except `keep`. */
  #dropBetween(root: number, start: number, end: number, keep: number): void {
    const pool = this.#pool
    let from = start
    let id = this.#treap.startingFrom(root, from)
    while (id !== 0 && pool.startOf(id) < end) {
      from = pool.startOf(id) + 1
      if (id !== keep) {
        this.#treap.unlink(root, id)
        pool.free(id)
      }
      id = this.#treap.startingFrom(root, from)
    }
  }

  /** Make `id` start at `start` if it starts before. */
  #cutHead(id: number, start: number): void {
    if (this.#pool.startOf(id) < start) this.#copyTail(id, start, id)
  }

  /** Write what extent `from` says from `start` on into record `into`. */
  #copyTail(from: number, start: number, into: number): void {
    const pool = this.#pool
    const skipped = this.#valueless ? 0 : start - pool.startOf(from)
    this.#write(into, start, this.#endOf(from), pool.valueOf(from) + skipped, pool.stateOf(from))
  }

  #write(id: number, start: number, end: number, value: number, state: number): void {
    const pool = this.#pool
    pool.setStart(id, start)
    pool.setLength(id, end - start)
    pool.setValue(id, value)
    pool.setState(id, state)
  }

  #endOf(id: number): number {
    return this.#pool.startOf(id) + this.#pool.lengthOf(id)
  }

  #report(id: number, cursor: ExtentCursor): boolean {
    if (id === 0) return false
    const pool = this.#pool
    cursor.start = pool.startOf(id)
    cursor.length = pool.lengthOf(id)
    cursor.value = pool.valueOf(id)
    cursor.state = pool.stateOf(id)
    return true
  }

  #describe(id: number): ExtentCursor {
    const cursor = new ExtentCursor()
    this.#report(id, cursor)
    return cursor
  }

  #checkRange(start: number, length: number): void {
    const isRange = start >= 0 && length > 0 && Number.isSafeInteger(start) && Number.isSafeInteger(start + length)
    if (!isRange) assert(false, 'extent out of range', { start, length })
  }

  #checkValue(value: number, length: number): void {
    const fits = this.#valueless ? value === 0 : (value | 0) === value && value + length - 1 <= VALUE_MAX
    if (!fits) assert(false, 'extent value out of range', { value, length })
  }
}
