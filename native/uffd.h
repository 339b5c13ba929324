#pragma once

#include <napi.h>

/** The userfaultfd itself: how it is opened, which ranges it watches, and how faults are read from it. */
namespace faultline {

napi_value userfaultfdFeatures(napi_env env, napi_callback_info info);
napi_value probeUserfaultfd(napi_env env, napi_callback_info info);
napi_value openUserfaultfd(napi_env env, napi_callback_info info);
napi_value openAsyncUserfaultfd(napi_env env, napi_callback_info info);
napi_value registerRange(napi_env env, napi_callback_info info);
napi_value unregisterRange(napi_env env, napi_callback_info info);
napi_value createEvent(napi_env env, napi_callback_info info);
napi_value signalEvent(napi_env env, napi_callback_info info);
napi_value clearEvent(napi_env env, napi_callback_info info);
napi_value readFaults(napi_env env, napi_callback_info info);

}  // namespace faultline
