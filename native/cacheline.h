#pragma once

#include <napi.h>

/** 64-byte lines: what differs, what leaves the CPU cache, what goes to the media file. */
namespace faultline {

napi_value writebackLines(napi_env env, napi_callback_info info);
napi_value writebackRuns(napi_env env, napi_callback_info info);
napi_value diffLines(napi_env env, napi_callback_info info);
napi_value flushLines(napi_env env, napi_callback_info info);
napi_value storeFence(napi_env env, napi_callback_info info);

}  // namespace faultline
