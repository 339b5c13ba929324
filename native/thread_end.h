#pragma once

#include <napi.h>

namespace faultline {

/** Closes a descriptor, which then belongs to no mount. Return: of close(2), with errno. */
int closeOwned(int fd);

napi_value serveFromHere(napi_env env, napi_callback_info info);
napi_value ownCache(napi_env env, napi_callback_info info);
napi_value ownUserfaultfd(napi_env env, napi_callback_info info);

}  // namespace faultline
