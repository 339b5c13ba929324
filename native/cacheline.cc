#include "cacheline.h"

#include <immintrin.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "args.h"
#include "cpu.h"
#include "host_file.h"
#include "line_compare.h"
#include "result.h"
#include "signal_guard.h"

namespace faultline {

namespace {

/** Neighbouring differing lines, gathered over windows and written with one pwrite. */
class RunWriter {
 public:
  RunWriter(uintptr_t cache, size_t length, int fd, off_t fileOffset, double* counters)
      : cache_(cache), length_(length), fd_(fd), fileOffset_(fileOffset), counters_(counters) {}

  /** Line `index` of the range differs; indices come in ascending order. Return: 0 or -errno. */
  int64_t add(size_t index) {
    if (count_ != 0 && first_ + count_ == index) {
      count_++;
      return 0;
    }
    const int64_t result = finish();
    first_ = index;
    count_ = 1;
    return result;
  }

  /** Write the run gathered so far. Return: 0 or -errno. */
  int64_t finish() {
    if (count_ == 0) return 0;
    const size_t at = first_ * kLineSize;
    const size_t bytes = std::min(count_ * kLineSize, length_ - at);
    const int64_t error = writeAll(fd_, {cache_ + at, bytes}, fileOffset_ + static_cast<off_t>(at));
    if (error == 0) {
      counters_[0] += static_cast<double>(count_);
      counters_[1] += 1;
    }
    count_ = 0;
    return error;
  }

 private:
  uintptr_t cache_;
  size_t length_;
  int fd_;
  off_t fileOffset_;
  double* counters_;
  size_t first_ = 0;
  size_t count_ = 0;
};

/** Compare one window and flush what differs. Return: false when the memory of either side is not there. */
bool diffAndFlush(AddressRange cache, uintptr_t media, uint64_t* mask) {
  const FlushKind kind = cpuFeatures().flush;
  volatile uint64_t found = 0;
  const bool there = guarded([&] {
    const uint64_t differing =
        diffWindow(static_cast<const uint8_t*>(cache.data()), reinterpret_cast<const uint8_t*>(media), cache.length);
    for (uint64_t left = differing; left != 0; left &= left - 1) {
      flushLine(kind, cache.start + static_cast<size_t>(std::countr_zero(left)) * kLineSize);
    }
    found = differing;
  });
  *mask = found;
  return there;
}

/** Bytes [from, end) of both: what differs is flushed, and handed to `runs`. Return: 0 or -errno. */
int64_t addDiffering(RunWriter& runs, uintptr_t cache, uintptr_t media, size_t from, size_t end) {
  int64_t error = 0;
  for (size_t at = from; at < end && error == 0; at += kWindowBytes) {
    uint64_t mask = 0;
    const AddressRange window{cache + at, std::min(kWindowBytes, end - at)};
    if (!diffAndFlush(window, media + at, &mask)) return -EIO;
    for (; mask != 0 && error == 0; mask &= mask - 1) {
      error = runs.add(at / kLineSize + static_cast<size_t>(std::countr_zero(mask)));
    }
  }
  return error;
}

}  // namespace

/**
 * The line is flushed before it is written, as a CPU's write-back follows the clwb. Bytes past `limit` are neither
 * compared nor written: pages of the media mapping past the end of the file would raise SIGBUS.
 */
napi_value writebackLines(napi_env env, napi_callback_info info) {
  Args args(env, info, "writebackLines");
  const AddressRange cache = args.range(0, 2);
  const AddressRange media = args.range(1, 2);
  const int fd = args.integer(3);
  const uint64_t fileOffset = args.size(4);
  const uint64_t limit = args.size(5);
  const View<double> counters = args.float64s(6, 2);
  if (args.ok() && cache.length % kLineSize != 0) args.failRange(2, "a multiple of 64", cache.length);
  if (!args.ok()) return nullptr;

  const size_t length = limit > fileOffset ? std::min<uint64_t>(cache.length, limit - fileOffset) : 0;
  RunWriter runs(cache.start, length, fd, static_cast<off_t>(fileOffset), counters.data);
  int64_t error = addDiffering(runs, cache.start, media.start, 0, length);
  if (error == 0) error = runs.finish();
  return toJs(env, error);
}

napi_value writebackRuns(napi_env env, napi_callback_info info) {
  Args args(env, info, "writebackRuns");
  const uintptr_t cache = args.size(0);
  const uintptr_t media = args.size(1);
  const int fd = args.integer(2);
  const uint64_t count = args.size(4);
  const View<double> pairs = args.float64s(3, count * 2);
  const uint64_t limit = args.size(5);
  const View<double> counters = args.float64s(6, 2);
  if (!args.ok()) return nullptr;
  RunWriter runs(cache, limit, fd, 0, counters.data);
  int64_t error = 0;
  for (size_t i = 0; i < count && error == 0; i++) {
    const size_t start = static_cast<uint64_t>(pairs.data[2 * i]) * kPageSize;
    const size_t end = std::min<uint64_t>(limit, start + static_cast<uint64_t>(pairs.data[2 * i + 1]) * kPageSize);
    if (start < end) error = addDiffering(runs, cache, media, start, end);
  }
  if (error == 0) error = runs.finish();
  return toJs(env, error);
}

napi_value diffLines(napi_env env, napi_callback_info info) {
  Args args(env, info, "diffLines");
  const AddressRange cache = args.range(0, 2);
  const AddressRange media = args.range(1, 2);
  const View<int32_t> out = args.int32s(3, 2);
  if (args.ok() && (cache.length > kWindowBytes || cache.length % kLineSize != 0)) {
    args.failRange(2, "a multiple of 64, at most 4096", cache.length);
  }
  if (!args.ok()) return nullptr;
  volatile uint64_t found = 0;
  const bool there = guarded([&] {
    found =
        diffWindow(static_cast<const uint8_t*>(cache.data()), static_cast<const uint8_t*>(media.data()), cache.length);
  });
  if (!there) return toJs(env, -EIO);
  const uint64_t mask = found;
  out.data[0] = static_cast<int32_t>(mask & 0xffffffff);
  out.data[1] = static_cast<int32_t>(mask >> 32);
  return toJs(env, std::popcount(mask));
}

napi_value flushLines(napi_env env, napi_callback_info info) {
  Args args(env, info, "flushLines");
  const AddressRange range = args.range(0, 1);
  if (!args.ok()) return nullptr;
  const FlushKind kind = cpuFeatures().flush;
  const bool there = guarded([&] {
    for (uintptr_t line = range.firstLine(); line < range.end(); line += kLineSize) flushLine(kind, line);
  });
  return toJs(env, there ? 0 : -EIO);
}

napi_value storeFence(napi_env env, napi_callback_info) {
  _mm_sfence();
  return undefined(env);
}

}  // namespace faultline
