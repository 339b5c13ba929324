#pragma once

#include <napi.h>

#include <cstdint>

#include "address_range.h"

/**
 * Answers to faults. Hot calls: no throw, no allocation; 0 or a count, or -errno.
 *
 * EAGAIN and partial completion are dealt with here. A call that stops after some pages gives the bytes it did; asked
 * for the rest, it gives the error. EEXIST means that somebody else mapped the page while its fault was queued: the
 * sleeper is woken here, even with kResolveDontWake, because nobody else will and its page is there.
 */
namespace faultline {

inline constexpr uint64_t kResolveWp = 1;
inline constexpr uint64_t kResolveDontWake = 2;
inline constexpr uint64_t kProtectWp = 1;

/** The calls without JS. Return: as described above; setProtection 0 or -errno. */
int64_t copyPages(int uffd, AddressRange range, uint64_t source, uint64_t mode);
int64_t continuePages(int uffd, AddressRange range, uint64_t mode);
int64_t setProtection(int uffd, AddressRange range, uint64_t mode);
/** Who waits for a page in the range looks again. Return: 0 or -errno. */
int64_t wakePages(int uffd, AddressRange range);

napi_value resolveCopy(napi_env env, napi_callback_info info);
napi_value resolveContinue(napi_env env, napi_callback_info info);
napi_value resolvePoison(napi_env env, napi_callback_info info);
napi_value writeProtect(napi_env env, napi_callback_info info);
napi_value writeProtectRuns(napi_env env, napi_callback_info info);
napi_value wakeRange(napi_env env, napi_callback_info info);

}  // namespace faultline
