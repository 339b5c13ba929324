#pragma once

#include <napi.h>

/** Which pages of memory that is tracked asynchronously were stored to. */
namespace faultline {

napi_value writtenPages(napi_env env, napi_callback_info info);

}  // namespace faultline
