#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "address_range.h"

/** Which lines of two pieces of memory differ: the inner loop of every writeback. */
namespace faultline {

/** One machine word of line bits: what is compared at a time. */
inline constexpr size_t kWindowLines = 64;
inline constexpr size_t kWindowBytes = kWindowLines * kLineSize;

inline bool lineDiffers(const uint8_t* a, const uint8_t* b) {
  const auto* left = reinterpret_cast<const __m128i*>(a);
  const auto* right = reinterpret_cast<const __m128i*>(b);
  __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(left), _mm_loadu_si128(right));
  for (int i = 1; i < 4; i++) {
    same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(left + i), _mm_loadu_si128(right + i)));
  }
  return _mm_movemask_epi8(same) != 0xffff;
}

inline uint64_t diffLinesSse2(const uint8_t* a, const uint8_t* b, size_t lines) {
  uint64_t mask = 0;
  for (size_t i = 0; i < lines; i++) {
    mask |= uint64_t{lineDiffers(a + i * kLineSize, b + i * kLineSize)} << i;
  }
  return mask;
}

[[gnu::target("avx2")]] inline uint64_t diffLinesAvx2(const uint8_t* a, const uint8_t* b, size_t lines) {
  uint64_t mask = 0;
  for (size_t i = 0; i < lines; i++) {
    const auto* left = reinterpret_cast<const __m256i*>(a + i * kLineSize);
    const auto* right = reinterpret_cast<const __m256i*>(b + i * kLineSize);
    const __m256i low = _mm256_xor_si256(_mm256_loadu_si256(left), _mm256_loadu_si256(right));
    const __m256i high = _mm256_xor_si256(_mm256_loadu_si256(left + 1), _mm256_loadu_si256(right + 1));
    const __m256i either = _mm256_or_si256(low, high);
    mask |= uint64_t{_mm256_testz_si256(either, either) == 0} << i;
  }
  return mask;
}

/** Bit i: line i of the window differs. The bytes of a last, partial line count as a line. length: to kWindowBytes. */
inline uint64_t diffWindow(const uint8_t* a, const uint8_t* b, size_t length) {
  static const bool hasAvx2 = __builtin_cpu_supports("avx2") != 0;
  const size_t whole = length / kLineSize;
  uint64_t mask = hasAvx2 ? diffLinesAvx2(a, b, whole) : diffLinesSse2(a, b, whole);
  const size_t tail = length % kLineSize;
  if (tail != 0 && memcmp(a + whole * kLineSize, b + whole * kLineSize, tail) != 0) mask |= uint64_t{1} << whole;
  return mask;
}

}  // namespace faultline
