#pragma once

#include <napi.h>

/** Memory: memfds, mappings, what is mapped where, and ArrayBuffers over it. */
namespace faultline {

/** pageTableEntries, one byte a page. */
inline constexpr int kPteFile = 1;
inline constexpr int kPteAnon = 2;
inline constexpr int kPteWp = 4;

napi_value createMemfd(napi_env env, napi_callback_info info);
napi_value mapFile(napi_env env, napi_callback_info info);
napi_value mapAligned(napi_env env, napi_callback_info info);
napi_value mapAt(napi_env env, napi_callback_info info);
napi_value protectPages(napi_env env, napi_callback_info info);
napi_value mapZeroes(napi_env env, napi_callback_info info);
napi_value unmap(napi_env env, napi_callback_info info);
napi_value dropPages(napi_env env, napi_callback_info info);
napi_value residentPages(napi_env env, napi_callback_info info);
napi_value pageTableEntries(napi_env env, napi_callback_info info);
napi_value createArrayBuffer(napi_env env, napi_callback_info info);
napi_value detachArrayBuffer(napi_env env, napi_callback_info info);
napi_value addressOf(napi_env env, napi_callback_info info);

}  // namespace faultline
