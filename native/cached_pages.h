#pragma once

#include <node_api.h>

namespace faultline {

/** Which pages a memfd has, in memory or swapped out. Moves the file offset, which nobody uses. */
napi_value cachedPages(napi_env env, napi_callback_info info);

}  // namespace faultline
