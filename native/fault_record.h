#pragma once

#include <cstddef>
#include <cstdint>

#include "address_range.h"
#include "uffd_abi.h"

/**
 * A fault as JS reads it: three parallel typed arrays, one element a fault, so that reading a batch makes no objects.
 *
 *   addresses  Float64  as accessed, to the byte (page-aligned on kernels without EXACT_ADDRESS)
 *   flags      Int32    kFaultWrite | kFaultWp | kFaultMinor; none: a read of an absent page
 *   threads    Int32    kernel thread id of the faulting thread
 */
namespace faultline {

inline constexpr int32_t kFaultWrite = 1;
inline constexpr int32_t kFaultWp = 2;
inline constexpr int32_t kFaultMinor = 4;

/** Most faults one read takes. Bounds the kernel's copy and how long one worker keeps faults from the others. */
inline constexpr size_t kFaultBatch = 64;

static_assert(sizeof(uffd_msg) == 32, "a message is 32 bytes in every kernel");
static_assert(kFaultWrite == UFFD_PAGEFAULT_FLAG_WRITE);
static_assert(kFaultWp == UFFD_PAGEFAULT_FLAG_WP);
static_assert(kFaultMinor == UFFD_PAGEFAULT_FLAG_MINOR);

struct FaultArrays {
  double* addresses;
  int32_t* flags;
  int32_t* threads;

  void put(size_t at, const uffd_msg& message) const {
    const auto& fault = message.arg.pagefault;
    addresses[at] = static_cast<double>(fault.address);
    flags[at] = static_cast<int32_t>(fault.flags & (kFaultWrite | kFaultWp | kFaultMinor));
    threads[at] = static_cast<int32_t>(fault.feat.ptid);
  }
};

}  // namespace faultline
