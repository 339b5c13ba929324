#include "store_ranges.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store_lock.h"

namespace faultline {

namespace {

/** Mappings of all mounts of the process, and what munmap and mprotect make of one. */
constexpr size_t kRangesMax = size_t{1} << 17;

TracedRange ranges[kRangesMax];
size_t count = 0;

/** The first range that ends after an address. */
size_t firstAfter(uintptr_t address) {
  const auto* found = std::upper_bound(ranges, ranges + count, address,
                                       [](uintptr_t at, const TracedRange& range) { return at < range.end; });
  return static_cast<size_t>(found - ranges);
}

void insertAt(size_t index, const TracedRange& range) {
  memmove(ranges + index + 1, ranges + index, (count - index) * sizeof(TracedRange));
  ranges[index] = range;
  count++;
}

TracedRange cutFront(TracedRange range, uintptr_t start) {
  range.fileOffset += start - range.start;
  range.start = start;
  return range;
}

}  // namespace

const TracedRange* findTraced(uintptr_t address) {
  const size_t index = firstAfter(address);
  return index < count && ranges[index].start <= address ? &ranges[index] : nullptr;
}

int setTraced(const TracedRange& range) {
  // One piece before it, one behind it, and itself.
  if (count + 2 > kRangesMax) return -ENOMEM;
  size_t index = firstAfter(range.start);
  if (index < count && ranges[index].start < range.start) {
    const TracedRange old = ranges[index];
    ranges[index].end = range.start;
    index++;
    if (old.end > range.end) insertAt(index, cutFront(old, range.end));
  }
  size_t last = index;
  while (last < count && ranges[last].end <= range.end) last++;
  memmove(ranges + index, ranges + last, (count - last) * sizeof(TracedRange));
  count -= last - index;
  if (index < count && ranges[index].start < range.end) ranges[index] = cutFront(ranges[index], range.end);
  if (range.log != nullptr) insertAt(index, range);
  return 0;
}

void recordStore(uintptr_t address, const uint8_t* bytes, size_t length, bool nonTemporal) {
  while (length > 0) {
    const TracedRange* range = findTraced(address);
    if (range == nullptr) return;
    const size_t piece = std::min(length, static_cast<size_t>(range->end - address));
    StoreLog* log = range->log;
    if (log->recording.load(std::memory_order_relaxed) != 0) {
      LogRecord record = {};
      record.nonTemporal = nonTemporal;
      record.thread = log->threadOf(currentThread());
      record.file = range->file;
      record.offset = static_cast<double>(range->fileOffset + (address - range->start));
      record.location = log->locations[record.thread];
      log->appendStore(record, bytes, piece);
    }
    address += piece;
    bytes += piece;
    length -= piece;
  }
}

}  // namespace faultline
