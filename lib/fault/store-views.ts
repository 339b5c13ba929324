/**
 * Traced memory: each shared mapping of a traced mount is mapped twice.
 *
 *   the program's view   at its address; never writable, so each store is a SIGSEGV that the tracer answers
 *   the store view       STORE_VIEW_DISTANCE above; has the protection the program asked for; only the tracer uses it
 *
 * Both are registered with userfaultfd, and everything the kernel does to the page tables of one is done to the other
 * in the same call: to the kernel they are one mapping, with one entry, one dirty tag and one fault for a page. That is
 * done here, below the kernel, by an addon that does things twice. A fault of the store view reaches the kernel with
 * the program's address. Where the views differ for a moment (the host takes a page from one of them alone) the next
 * access faults, and finds what it needs half done: EEXIST of one view does not matter when the other had use for it.
 *
 * Traced mappings have addresses of their own, between 48 and 64 TiB, so that an address tells what it is.
 */
import type { Addon } from '../binding/addon.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { FaultRecord } from './fault-batch.js'

/** native/store_ranges.h */
export const TRACED_START = 3 * 2 ** 44
export const TRACED_END = 4 * 2 ** 44
const DISTANCE = 2 ** 44

const PROT_WRITE = 2

function isTraced(address: number): boolean {
  return address >= TRACED_START && address < TRACED_END
}

/** The better of two answers: bytes that were mapped rather than that they were there already. */
function either(store: Errno, program: Errno): Errno {
  return store < 0 && program >= 0 ? program : store
}

/** Return: the addon of a machine whose shared mappings are traced. Private ones reach no media and are left alone. */
export function withStoreViews(addon: Addon): Addon {
  return Object.assign(Object.create(addon) as Addon, mappingCalls(addon), pageCalls(addon))
}

function mappingCalls(addon: Addon): Partial<Addon> {
  return {
    mapAt(fd, offset, length, prot, shared, address) {
      const inArena = isTraced(address) && address + length <= TRACED_END
      if (inArena !== shared) return -ErrorNumber.ENOMEM
      if (!shared) return addon.mapAt(fd, offset, length, prot, shared, address)
      const mapped = addon.mapAt(fd, offset, length, prot & ~PROT_WRITE, shared, address)
      if (mapped < 0) return mapped
      const store = addon.mapAt(fd, offset, length, prot, shared, address + DISTANCE)
      if (store < 0) addon.unmap(address, length)
      return store < 0 ? store : mapped
    },
    mapAligned() {
      const reason = 'a traced mapping has no room between 48 and 64 TiB'
      throw Object.assign(new Error(reason), { errno: ErrorNumber.ENOMEM })
    },
    registerRange(uffd, address, length, modes) {
      if (isTraced(address)) addon.registerRange(uffd, address + DISTANCE, length, modes)
      return addon.registerRange(uffd, address, length, modes)
    },
    unmap(address, length) {
      if (isTraced(address)) {
        addon.setTracedRange(address, length, 0, 0, 0)
        addon.unmap(address + DISTANCE, length)
      }
      addon.unmap(address, length)
    },
    protectPages(address, length, prot) {
      if (!isTraced(address)) return addon.protectPages(address, length, prot)
      const error = addon.protectPages(address + DISTANCE, length, prot)
      return error < 0 ? error : addon.protectPages(address, length, prot & ~PROT_WRITE)
    },
    // The kernel's own touch of a page is no store of the program.
    touchPages(address, length, write) {
      return addon.touchPages(write && isTraced(address) ? address + DISTANCE : address, length, write)
    },
  }
}

function pageCalls(addon: Addon): Partial<Addon> {
  return {
    dropPages(address, length) {
      if (isTraced(address)) addon.dropPages(address + DISTANCE, length)
      return addon.dropPages(address, length)
    },
    readFaults(uffd, stopEvent, records, spinUs, timeoutMs) {
      const count = addon.readFaults(uffd, stopEvent, records, spinUs, timeoutMs)
      for (let i = 0; i < count; i++) {
        const at = FaultRecord.First + i * FaultRecord.Size + FaultRecord.Address
        const address = records[at] as number
        if (isTraced(address - DISTANCE)) records[at] = address - DISTANCE
      }
      return count
    },
    resolveCopy(uffd, destination, source, length, mode) {
      if (!isTraced(destination)) return addon.resolveCopy(uffd, destination, source, length, mode)
      // It fills the cache, so there is nothing left to copy for the other view.
      const copied = addon.resolveCopy(uffd, destination + DISTANCE, source, length, mode)
      if (copied > 0) addon.resolveContinue(uffd, destination, copied, mode)
      return copied
    },
    resolveContinue(uffd, address, length, mode) {
      const program = addon.resolveContinue(uffd, address, length, mode)
      if (!isTraced(address)) return program
      return either(addon.resolveContinue(uffd, address + DISTANCE, length, mode), program)
    },
    resolvePoison(uffd, address, length, mode) {
      const program = addon.resolvePoison(uffd, address, length, mode)
      if (!isTraced(address)) return program
      return either(addon.resolvePoison(uffd, address + DISTANCE, length, mode), program)
    },
    writeProtectRuns(uffd, address, pgoff, pages, runs, count, mode) {
      const program = addon.writeProtectRuns(uffd, address, pgoff, pages, runs, count, mode)
      if (!isTraced(address)) return program
      return addon.writeProtectRuns(uffd, address + DISTANCE, pgoff, pages, runs, count, mode)
    },
    writeProtect(uffd, address, length, mode) {
      const program = addon.writeProtect(uffd, address, length, mode)
      return isTraced(address) ? addon.writeProtect(uffd, address + DISTANCE, length, mode) : program
    },
    wakeRange(uffd, address, length) {
      if (isTraced(address)) addon.wakeRange(uffd, address + DISTANCE, length)
      return addon.wakeRange(uffd, address, length)
    },
  }
}
