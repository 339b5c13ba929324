#include "cacheline.h"

#include <emmintrin.h>
#include <immintrin.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "args.h"
#include "cpu.h"
#include "host_file.h"
#include "result.h"
#include "signal_guard.h"

namespace faultline {

namespace {

/** One machine word of line bits: what is compared at a time. */
constexpr size_t kWindowLines = 64;
constexpr size_t kWindowBytes = kWindowLines * kLineSize;

bool lineDiffers(const uint8_t* a, const uint8_t* b) {
  const auto* left = reinterpret_cast<const __m128i*>(a);
  const auto* right = reinterpret_cast<const __m128i*>(b);
  __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(left), _mm_loadu_si128(right));
  for (int i = 1; i < 4; i++) {
    same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(left + i), _mm_loadu_si128(right + i)));
  }
  return _mm_movemask_epi8(same) != 0xffff;
}

/** Bit i: line i of the window differs. The bytes of a last, partial line count as a line. */
uint64_t diffWindow(const uint8_t* cache, const uint8_t* media, size_t length) {
  uint64_t mask = 0;
  const size_t whole = length / kLineSize;
  for (size_t i = 0; i < whole; i++) {
    mask |= uint64_t{lineDiffers(cache + i * kLineSize, media + i * kLineSize)} << i;
  }
  const size_t tail = length % kLineSize;
  if (tail != 0 && memcmp(cache + whole * kLineSize, media + whole * kLineSize, tail) != 0)
    mask |= uint64_t{1} << whole;
  return mask;
}

[[gnu::target("clwb")]] void clwbLine(const void* line) {
  _mm_clwb(const_cast<void*>(line));
}

[[gnu::target("clflushopt")]] void clflushoptLine(const void* line) {
  _mm_clflushopt(const_cast<void*>(line));
}

void flushLine(FlushKind kind, uintptr_t address) {
  const auto* line = reinterpret_cast<const void*>(address);
  switch (kind) {
    case FlushKind::kClwb:
      clwbLine(line);
      break;
    case FlushKind::kClflushopt:
      clflushoptLine(line);
      break;
    case FlushKind::kClflush:
      _mm_clflush(line);
      break;
    case FlushKind::kNone:
      break;
  }
}

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
  int64_t error = 0;
  for (size_t at = 0; at < length && error == 0; at += kWindowBytes) {
    uint64_t mask = 0;
    const AddressRange window{cache.start + at, std::min(kWindowBytes, length - at)};
    if (!diffAndFlush(window, media.start + at, &mask)) return toJs(env, -EIO);
    for (; mask != 0 && error == 0; mask &= mask - 1) {
      error = runs.add(at / kLineSize + static_cast<size_t>(std::countr_zero(mask)));
    }
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
