#pragma once

#include <napi.h>

namespace faultline {

/** Closes a descriptor, which then belongs to no mount. Return: of close(2), with errno. */
int closeOwned(napi_env env, int fd);
/** Locks a pool until its descriptor is closed, or its thread ends without a mount. Return: of flock(2), with errno. */
int tryLockOwned(napi_env env, int fd);

napi_value serveFromHere(napi_env env, napi_callback_info info);
napi_value ownCache(napi_env env, napi_callback_info info);
napi_value ownUserfaultfd(napi_env env, napi_callback_info info);

}  // namespace faultline
