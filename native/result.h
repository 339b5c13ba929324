#pragma once

#include <napi.h>

#include <cstdint>
#include <limits>

/**
 * What native functions give back to JS. Small integers never allocate, so hot calls stay off the heap.
 *
 * Node-API without its C++ wrappers, here and for errors (args.h, sys_error.cc), and without a look at what the calls
 * return: in a thread that is being terminated any of them may fail, and then nobody sees the result. The wrappers
 * abort the process.
 */
namespace faultline {

inline napi_value toJs(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

inline napi_value toJs(napi_env env, int64_t value) {
  napi_value result = nullptr;
  if (value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max()) {
    napi_create_int32(env, static_cast<int32_t>(value), &result);
  } else {
    napi_create_int64(env, value, &result);
  }
  return result;
}

inline napi_value toJs(napi_env env, int value) {
  return toJs(env, int64_t{value});
}

inline napi_value toJs(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

inline napi_value toJs(napi_env env, const char* text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

class JsObject {
 public:
  explicit JsObject(napi_env env) : env_(env) { napi_create_object(env, &value_); }

  template <typename T>
  void set(const char* name, T value) {
    napi_set_named_property(env_, value_, name, toJs(env_, value));
  }

  void set(const char* name, napi_value value) { napi_set_named_property(env_, value_, name, value); }

  operator napi_value() const { return value_; }

 private:
  napi_env env_;
  napi_value value_ = nullptr;
};

class JsArray {
 public:
  explicit JsArray(napi_env env) : env_(env) { napi_create_array(env, &value_); }

  void push(napi_value element) { napi_set_element(env_, value_, length_++, element); }

  operator napi_value() const { return value_; }

 private:
  napi_env env_;
  napi_value value_ = nullptr;
  uint32_t length_ = 0;
};

inline napi_value addressToJs(napi_env env, const void* address) {
  return toJs(env, static_cast<int64_t>(reinterpret_cast<intptr_t>(address)));
}

inline napi_value undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

}  // namespace faultline
