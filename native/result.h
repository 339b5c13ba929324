#pragma once

#include <napi.h>

#include <cstdint>
#include <limits>

/** What native functions give back to JS. Small integers never allocate, so hot calls stay off the heap. */
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

inline napi_value addressToJs(napi_env env, const void* address) {
  return toJs(env, static_cast<int64_t>(reinterpret_cast<intptr_t>(address)));
}

inline napi_value undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

}  // namespace faultline
