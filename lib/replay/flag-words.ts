/** Words joined with '+' as bits of Linux on x86-64; 'raw:N' adds bits, '0' is none. */
import { Fallocate } from '../fs/fallocate.js'
import { ADVICE, MapFlag, MremapFlag, MsyncFlag, Prot } from '../fs/vm/abi.js'
import { ScenarioError } from './scenario.js'

type Words = Readonly<Record<string, number>>

export const enum OpenBit {
  Create = 1,
  Truncate = 2,
  Exclusive = 4,
  ReadOnly = 8,
  WriteOnly = 16,
  Append = 32,
  Sync = 64,
}

/** O_DIRECT asks for nothing that DAX does not do anyway. */
export const OPEN_WORDS: Words = {
  creat: OpenBit.Create,
  trunc: OpenBit.Truncate,
  excl: OpenBit.Exclusive,
  rdonly: OpenBit.ReadOnly,
  wronly: OpenBit.WriteOnly,
  append: OpenBit.Append,
  direct: 0,
  sync: OpenBit.Sync,
  dsync: OpenBit.Sync,
  rdwr: 0,
}

export const FALLOCATE_WORDS: Words = {
  keep: Fallocate.KeepSize,
  punch: Fallocate.PunchHole,
  collapse: Fallocate.CollapseRange,
  zero: Fallocate.ZeroRange,
  insert: Fallocate.InsertRange,
  unshare: Fallocate.Unshare,
}

export const PROT_WORDS: Words = {
  none: Prot.None,
  r: Prot.Read,
  w: Prot.Write,
  x: Prot.Exec,
  rw: Prot.Read | Prot.Write,
  rx: Prot.Read | Prot.Exec,
  wx: Prot.Write | Prot.Exec,
  rwx: Prot.Read | Prot.Write | Prot.Exec,
}

export const MAP_WORDS: Words = {
  shared: MapFlag.Shared,
  private: MapFlag.Private,
  validate: MapFlag.SharedValidate,
  fixed: MapFlag.Fixed,
  fixed_noreplace: MapFlag.FixedNoReplace,
  locked: MapFlag.Locked,
  noreserve: MapFlag.NoReserve,
  populate: MapFlag.Populate,
  nonblock: MapFlag.NonBlock,
  sync: MapFlag.Sync,
}

export const MSYNC_WORDS: Words = {
  async: MsyncFlag.Async,
  invalidate: MsyncFlag.Invalidate,
  sync: MsyncFlag.Sync,
}

export const MREMAP_WORDS: Words = {
  maymove: MremapFlag.MayMove,
  fixed: MremapFlag.Fixed,
  dontunmap: MremapFlag.DontUnmap,
}

export const ADVICE_WORDS: Words = ADVICE

/** Return: the bits of all words. Errors: ScenarioError for a word that is not one of `words`. */
export function bitsOf(text: string, words: Words, what: string): number {
  let bits = 0
  for (const word of text.split('+').filter((part) => part !== '' && part !== '0')) {
    const raw = /^raw:(0x[0-9a-f]+|\d+)$/i.exec(word)?.[1]
    const value = raw !== undefined ? Number(raw) : Object.hasOwn(words, word) ? words[word] : undefined
    if (value === undefined || !Number.isSafeInteger(value) || value > 0xffff_ffff) {
      throw new ScenarioError(`${what}: unknown word '${word}'`)
    }
    bits = (bits | value) >>> 0
  }
  return bits
}
