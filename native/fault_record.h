#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "address_range.h"
#include "uffd_abi.h"

/**
 * What JS reads of a batch: one Float64Array, so that reading makes no objects and passes one argument.
 *
 *   [0] [1]           monotonic nanoseconds: the call was entered, it returned
 *   [2 + 3i]          address of fault i as accessed, to the byte (page-aligned on kernels without EXACT_ADDRESS)
 *   [3 + 3i]          kFaultWrite | kFaultWp | kFaultMinor; 0: a read of an absent page
 *   [4 + 3i]          kernel thread id of the faulting thread
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

inline constexpr size_t kRecordEntered = 0;
inline constexpr size_t kRecordReturned = 1;
inline constexpr size_t kRecordFirst = 2;
inline constexpr size_t kRecordSize = 3;

/** The faults of a batch in the array of the caller. */
class FaultRecords {
 public:
  FaultRecords(double* values, size_t length)
      : values_(values), capacity_(std::min((length - kRecordFirst) / kRecordSize, kFaultBatch)) {}

  size_t capacity() const { return capacity_; }

  void put(size_t at, const uffd_msg& message) const {
    const auto& fault = message.arg.pagefault;
    double* record = values_ + kRecordFirst + at * kRecordSize;
    record[0] = static_cast<double>(fault.address);
    record[1] = static_cast<double>(fault.flags & (kFaultWrite | kFaultWp | kFaultMinor));
    record[2] = static_cast<double>(fault.feat.ptid);
  }

  void time(uint64_t enteredNs, uint64_t returnedNs) const {
    values_[kRecordEntered] = static_cast<double>(enteredNs);
    values_[kRecordReturned] = static_cast<double>(returnedNs);
  }

 private:
  double* values_;
  size_t capacity_;
};

}  // namespace faultline
