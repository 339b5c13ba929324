#pragma once

#include <napi.h>

#include <string>

namespace faultline {

/** 'ENOENT' for ENOENT; 'EUNKNOWN' for a number libc has no name for. */
const char* errnoName(int error);

/**
 * Throw an Error with `code`, `errno` (positive) and `syscall`; `detail` ends the message.
 * Return: nullptr, so that a native function can return it.
 */
napi_value throwSysError(napi_env env, int error, const char* syscall, const std::string& detail = {});

/** throwSysError when `result` is -1 (with errno), otherwise `undefined`. */
napi_value undefinedOrThrow(napi_env env, int result, const char* syscall);

}  // namespace faultline
