#pragma once

#include <cpuid.h>
#include <immintrin.h>

#include <cstdint>

/** Writing one line of the CPU's caches back, by the best instruction there is. */
namespace faultline {

/** Instructions that do, best last. */
enum class FlushKind { kNone, kClflush, kClflushopt, kClwb };

inline FlushKind detectFlush() {
  FlushKind found = FlushKind::kNone;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kClflush = 1u << 19, kClflushopt = 1u << 23, kClwb = 1u << 24;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (d & kClflush) != 0) found = FlushKind::kClflush;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    if ((b & kClflushopt) != 0) found = FlushKind::kClflushopt;
    if ((b & kClwb) != 0) found = FlushKind::kClwb;
  }
  return found;
}

[[gnu::target("clwb")]] inline void clwbLine(const void* line) {
  _mm_clwb(const_cast<void*>(line));
}

[[gnu::target("clflushopt")]] inline void clflushoptLine(const void* line) {
  _mm_clflushopt(const_cast<void*>(line));
}

inline void flushLine(FlushKind kind, uintptr_t address) {
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

}  // namespace faultline
