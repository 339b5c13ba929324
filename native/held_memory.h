#pragma once

#include <napi.h>

namespace faultline {

napi_value countAsHeld(napi_env env, napi_callback_info info);

}  // namespace faultline
