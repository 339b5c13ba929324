#pragma once

#include <napi.h>
#include <sys/types.h>

#include <cstdint>

#include "address_range.h"

/** Files of the pool directory: opening them beneath it, what they hold, and moving bytes. */
namespace faultline {

/** pwrite(2) until all is written. Return: 0 or -errno. */
int64_t writeAll(int fd, AddressRange source, off_t offset);

napi_value openBeneath(napi_env env, napi_callback_info info);
napi_value openDirectory(napi_env env, napi_callback_info info);
napi_value duplicateFd(napi_env env, napi_callback_info info);
napi_value closeFd(napi_env env, napi_callback_info info);
napi_value fileStatus(napi_env env, napi_callback_info info);
napi_value fileExtents(napi_env env, napi_callback_info info);
napi_value allocateFile(napi_env env, napi_callback_info info);
napi_value truncateFile(napi_env env, napi_callback_info info);
napi_value syncFile(napi_env env, napi_callback_info info);
napi_value tryLockFile(napi_env env, napi_callback_info info);
napi_value writeFile(napi_env env, napi_callback_info info);
napi_value readFile(napi_env env, napi_callback_info info);

}  // namespace faultline
