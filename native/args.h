#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "address_range.h"

namespace faultline {

/** The elements of a typed array, over an ArrayBuffer or a SharedArrayBuffer. Good until the native call returns. */
template <typename T>
struct View {
  T* data;
  size_t length;
};

/**
 * The arguments of one native call, checked as they are read.
 *
 * The first wrong one throws a TypeError (wrong type) or RangeError (wrong value) and clears ok(); the getters then
 * give zeroes, so a function reads everything and tests ok() once, before it does anything. Reading allocates nothing.
 */
class Args {
 public:
  static constexpr size_t kCapacity = 8;
  static constexpr double kMillisecondsMax = 86'400'000;

  Args(napi_env env, napi_callback_info info, const char* function) : env_(env), function_(function) {
    size_t count = kCapacity;
    ok_ = napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) == napi_ok;
  }

  bool ok() const { return ok_; }
  napi_value raw(size_t index) const { return values_[index]; }

  /** An integer from 0 to 2^53 - 1: lengths, offsets, bit sets. */
  uint64_t size(size_t index) {
    double value = 0;
    if (!number(index, &value)) return 0;
    if (!(value >= 0 && value <= kMaxSafe) || value != static_cast<double>(static_cast<uint64_t>(value))) {
      return failRange(index, "an integer from 0 to 2^53 - 1", value);
    }
    return static_cast<uint64_t>(value);
  }

  /** An integer from 0 to 2^31 - 1: file descriptors, modes, flags. */
  int integer(size_t index) {
    double value = 0;
    if (!number(index, &value)) return 0;
    if (!(value >= 0 && value <= INT32_MAX) || value != static_cast<double>(static_cast<int>(value))) {
      return static_cast<int>(failRange(index, "an integer from 0 to 2^31 - 1", value));
    }
    return static_cast<int>(value);
  }

  /** Any number from `least` to `most`; `expected` says so in words. */
  double number(size_t index, double least, double most, const char* expected) {
    double value = 0;
    if (!number(index, &value)) return 0;
    if (!(value >= least && value <= most)) return static_cast<double>(failRange(index, expected, value));
    return value;
  }

  /** Milliseconds, not negative, at most a day: whoever sleeps in native code cannot be terminated meanwhile. */
  double milliseconds(size_t index) { return number(index, 0, kMillisecondsMax, "milliseconds from 0 to 86400000"); }

  /** Two arguments, address and length, that stay in user space. */
  AddressRange range(size_t addressIndex, size_t lengthIndex) {
    AddressRange range{size(addressIndex), size(lengthIndex)};
    if (ok_ && !range.inUserSpace()) {
      failRange(addressIndex, "the address of a range below 2^47", static_cast<double>(range.start));
    }
    return ok_ ? range : AddressRange{0, 0};
  }

  bool boolean(size_t index) {
    bool value = false;
    if (ok_ && napi_get_value_bool(env_, values_[index], &value) != napi_ok) failType(index, "a boolean");
    return value;
  }

  /** UTF-8; a string with a NUL inside would be cut short by every system call, so it is refused. */
  std::string string(size_t index) {
    size_t length = 0;
    if (!ok_) return {};
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
      failType(index, "a string");
      return {};
    }
    std::string text(length, '\0');
    napi_get_value_string_utf8(env_, values_[index], text.data(), length + 1, &length);
    if (text.find('\0') != std::string::npos) failText(describe(index, "a string without NUL"));
    return text;
  }

  View<double> float64s(size_t index, size_t atLeast) {
    return view<double>(index, atLeast, napi_float64_array, "a Float64Array");
  }

  View<int32_t> int32s(size_t index, size_t atLeast) {
    return view<int32_t>(index, atLeast, napi_int32_array, "an Int32Array");
  }

  View<uint8_t> uint8s(size_t index, size_t atLeast) {
    return view<uint8_t>(index, atLeast, napi_uint8_array, "a Uint8Array");
  }

  /** Whether a typed array lies over a SharedArrayBuffer. */
  bool isShared(size_t index) {
    napi_value buffer = nullptr;
    bool detachable = true;
    napi_get_typedarray_info(env_, values_[index], nullptr, nullptr, nullptr, &buffer, nullptr);
    napi_is_arraybuffer(env_, buffer, &detachable);
    return ok_ && !detachable;
  }

  /** A TypeError naming the argument. Return: 0. */
  [[gnu::cold, gnu::noinline]] uint64_t failType(size_t index, const char* expected) {
    static constexpr const char* kTypes[] = {"undefined", "null",   "boolean",  "number",   "string",
                                             "symbol",    "object", "function", "external", "bigint"};
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, values_[index], &type);
    const auto at = static_cast<size_t>(type);
    const std::string came = at < std::size(kTypes) ? kTypes[at] : "unknown";
    ok_ = false;
    napi_throw_type_error(env_, nullptr, (describe(index, expected) + ", not " + came).c_str());
    return 0;
  }

  /** A RangeError naming the argument. Return: 0. */
  [[gnu::cold, gnu::noinline]] uint64_t failRange(size_t index, const char* expected, double came) {
    failText(describe(index, expected) + ", not " + numberText(came));
    return 0;
  }

 private:
  static constexpr double kMaxSafe = 9007199254740991.0;

  bool number(size_t index, double* out) {
    if (!ok_) return false;
    if (napi_get_value_double(env_, values_[index], out) == napi_ok) return true;
    failType(index, "a number");
    return false;
  }

  template <typename T>
  View<T> view(size_t index, size_t atLeast, napi_typedarray_type wanted, const char* expected) {
    if (!ok_) return {nullptr, 0};
    napi_typedarray_type type = napi_int8_array;
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != wanted) {
      failType(index, expected);
      return {nullptr, 0};
    }
    if (length < atLeast) {
      failRange(index, "a longer typed array", static_cast<double>(length));
      return {nullptr, 0};
    }
    return {static_cast<T*>(data), length};
  }

  [[gnu::cold, gnu::noinline]] void failText(const std::string& message) {
    ok_ = false;
    napi_throw_range_error(env_, nullptr, message.c_str());
  }

  /** As JS writes it. */
  std::string numberText(double number) const {
    napi_value value = nullptr;
    char text[32] = "";
    napi_create_double(env_, number, &value);
    napi_coerce_to_string(env_, value, &value);
    napi_get_value_string_utf8(env_, value, text, sizeof text, nullptr);
    return text;
  }

  std::string describe(size_t index, const char* expected) const {
    return std::string(function_) + ": argument " + std::to_string(index + 1) + " must be " + expected;
  }

  napi_env env_;
  const char* function_;
  napi_value values_[kCapacity];
  bool ok_ = false;
};

}  // namespace faultline
