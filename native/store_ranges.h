#pragma once

#include <cstddef>
#include <cstdint>

#include "store_log.h"

/**
 * Which memory is traced, and the two views of it.
 *
 * A traced mapping is mapped twice. Programs have the first view; it is never writable. Stores are made through the
 * second, kStoreViewDistance above, which nobody else knows. So no moment exists in which a store of another thread
 * could go unseen, and no protection is ever changed for a store.
 */
namespace faultline {

/** Where traced mappings are, apart from all others (lib/fault/store-views.ts): 48 to 64 TiB. */
inline constexpr uintptr_t kTracedStart = uintptr_t{3} << 44;
inline constexpr uintptr_t kStoreViewDistance = uintptr_t{1} << 44;
inline constexpr uintptr_t kTracedEnd = kTracedStart + kStoreViewDistance;

constexpr bool isTraced(uintptr_t address) {
  return address >= kTracedStart && address < kTracedEnd;
}

constexpr bool isStoreView(uintptr_t address) {
  return isTraced(address - kStoreViewDistance);
}

/** Where the byte of an address of the program's view is stored to. */
inline void* storeView(uintptr_t address) {
  return reinterpret_cast<void*>(address + kStoreViewDistance);
}

struct TracedRange {
  uintptr_t start;
  uintptr_t end;
  StoreLog* log;
  uint64_t fileOffset;
  uint32_t file;
};

/** The range of an address, or nullptr. Context: store lock held; async-signal-safe. */
const TracedRange* findTraced(uintptr_t address);

/** [start, end) becomes one range, or, without a log, none. Context: store lock held. Return: 0 or -ENOMEM. */
int setTraced(const TracedRange& range);

/**
 * Record bytes that were stored, in pieces that stay inside a line. address: in the program's view.
 * Context: store lock held; async-signal-safe.
 */
void recordStore(uintptr_t address, const uint8_t* bytes, size_t length, bool nonTemporal);

}  // namespace faultline
