#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace faultline {

inline constexpr size_t kPageSize = 4096;
inline constexpr size_t kLineSize = 64;
inline constexpr size_t kHugeSize = size_t{2} << 20;

/** User addresses of x86-64 with four-level page tables end here; mmap without a hint never goes beyond. */
inline constexpr uint64_t kUserAddressEnd = uint64_t{1} << 47;

/** Bytes from `address` to the end of its page. */
constexpr size_t toPageEnd(uintptr_t address) {
  return kPageSize - (address & (kPageSize - 1));
}

/** A run of bytes in this process. Nothing says it is mapped. */
struct AddressRange {
  uintptr_t start;
  size_t length;

  constexpr uintptr_t end() const { return start + length; }
  constexpr bool inUserSpace() const { return start <= kUserAddressEnd && length <= kUserAddressEnd - start; }
  constexpr bool overlaps(const AddressRange& other) const { return start < other.end() && other.start < end(); }
  constexpr size_t pages() const { return (length + kPageSize - 1) / kPageSize; }
  /** The whole cache lines that hold any byte of it. */
  constexpr uintptr_t firstLine() const { return start & ~(kLineSize - 1); }

  void* data() const { return reinterpret_cast<void*>(start); }
};

}  // namespace faultline
