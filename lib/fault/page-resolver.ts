/** Answers to a fault of one page, as the host gives them. */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'

/** Bits of the addon, compared by test/unit/binding/addon.test.ts. */
export const enum Resolve {
  Wp = 1,
}

export const enum Protect {
  On = 1,
  Off = 0,
}

/** Context: never sleeps; any thread. Return of all: bytes or 0, or -errno as native/uffd_resolve.h says. */
export interface PageResolver {
  /** Fill the cache from memory at `from`, and map. mode: Resolve.Wp or 0. */
  copyPage(address: number, from: number, mode: number): Errno
  /** Map what the cache has. */
  continuePage(address: number, mode: number): Errno
  /** Lift the write protection. */
  unprotectPage(address: number): Errno
}

export class AddonResolver implements PageResolver {
  constructor(
    protected readonly addon: Addon,
    readonly uffd: number,
  ) {}

  copyPage(address: number, from: number, mode: number): Errno {
    return this.addon.resolveCopy(this.uffd, address, from, Page.Size, mode)
  }

  continuePage(address: number, mode: number): Errno {
    return this.addon.resolveContinue(this.uffd, address, Page.Size, mode)
  }

  unprotectPage(address: number): Errno {
    return this.addon.writeProtect(this.uffd, address, Page.Size, Protect.Off)
  }
}
