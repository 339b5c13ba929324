/**
 * The root record of one tree: what an inode keeps about its pages (its address_space, K1).
 *
 *   ┌──────┬───────┬─────────┬─────────────┐
 *   │ head │ marks │ entries │ pmd entries │   4 words
 *   └──────┴───────┴─────────┴─────────────┘
 *
 *   head          null, or a pointer to the top node; entries are always in nodes, even a lone one at index 0
 *   marks         bit `mark` is set when some entry of the tree carries that mark
 *   entries       number of entries, locked and empty ones included
 *   pmd entries   how many of them are 2 MiB; kept instead of a page count because 2^32 pages do not fit a word
 *
 * Initialised by RadixTree.initialise (all zero is the empty tree). Guarded by the tree lock, i_pages, which its owner
 * keeps elsewhere: plain access only. No wait word.
 */
export const enum RootWord {
  Head = 0,
  Marks = 1,
  Entries = 2,
  PmdEntries = 3,
}

export const ROOT_WORDS = 4

/** The two independent marks of an entry (K2). Values are bit numbers in the root, and positions in a node. */
export const enum Mark {
  /** Must be flushed by a future sync. */
  Dirty = 0,
  /** Selected by the sync now running. */
  ToWrite = 1,
}
