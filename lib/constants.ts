/**
 * Numbers of the emulated machine. Those C++ knows too are compared by test/unit/binding/constants.test.ts.
 *
 * `const enum`, because tsc inlines it across files and an imported `const` is not: hot code runs 1.8x slower with one.
 */

/** Sizes and shifts of pages, lines and 2 MiB entries. */
export const enum Page {
  Shift = 12,
  Size = 4096,
  Mask = 4095,
  LineShift = 6,
  LineSize = 64,
  LinesPerPage = 64,
  PmdOrder = 9,
  PmdPages = 512,
  PmdSize = 0x200000,
}

/** Largest number of pages the 28-bit pfn of an entry word can name (1 TiB); pfn 0 is never a block. */
export const PFN_LIMIT = 1 << 28

/** Largest page index in a file (32-bit pgoff: 16 TiB files). */
export const PGOFF_LIMIT = 2 ** 32
