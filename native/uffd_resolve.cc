#include "uffd_resolve.h"

#include <sched.h>

#include <cerrno>

#include "args.h"
#include "result.h"
#include "uffd_abi.h"

namespace faultline {

namespace {

/** The kernel says EAGAIN while the address space changes under it; that ends, or something is badly wrong. */
constexpr int kRetries = 1000;

/**
 * Call `one(done, &mapped)` until the whole range is mapped. `one` is a single ioctl on the range from `done` on: it
 * returns 0 or errno, and sets `mapped` to the bytes it managed before an error (negative: none).
 */
template <typename One>
int64_t resolveAll(int uffd, AddressRange range, One one) {
  size_t done = 0;
  for (int tries = 0; tries < kRetries;) {
    int64_t mapped = 0;
    const int error = one(done, &mapped);
    if (error == 0) return static_cast<int64_t>(range.length);
    if (mapped > 0) {
      done += static_cast<size_t>(mapped);
      continue;
    }
    if (error == EEXIST) wakePages(uffd, range);
    if (error != EAGAIN) return done > 0 ? static_cast<int64_t>(done) : -error;
    tries++;
    sched_yield();
  }
  return done > 0 ? static_cast<int64_t>(done) : -EAGAIN;
}

}  // namespace

int64_t wakePages(int uffd, AddressRange range) {
  uffdio_range request = {range.start, range.length};
  return ioctl(uffd, UFFDIO_WAKE, &request) == -1 ? -errno : 0;
}

int64_t copyPages(int uffd, AddressRange range, uint64_t source, uint64_t mode) {
  const uint64_t copyMode = ((mode & kResolveWp) != 0 ? UFFDIO_COPY_MODE_WP : 0) |
                            ((mode & kResolveDontWake) != 0 ? UFFDIO_COPY_MODE_DONTWAKE : 0);
  return resolveAll(uffd, range, [&](size_t done, int64_t* mapped) {
    uffdio_copy request = {range.start + done, source + done, range.length - done, copyMode, 0};
    const int error = ioctl(uffd, UFFDIO_COPY, &request) == -1 ? errno : 0;
    *mapped = request.copy;
    return error;
  });
}

int64_t continuePages(int uffd, AddressRange range, uint64_t mode) {
  const uint64_t continueMode = ((mode & kResolveWp) != 0 ? kContinueModeWp : 0) |
                                ((mode & kResolveDontWake) != 0 ? UFFDIO_CONTINUE_MODE_DONTWAKE : 0);
  return resolveAll(uffd, range, [&](size_t done, int64_t* mapped) {
    uffdio_continue request = {{range.start + done, range.length - done}, continueMode, 0};
    const int error = ioctl(uffd, UFFDIO_CONTINUE, &request) == -1 ? errno : 0;
    *mapped = request.mapped;
    return error;
  });
}

/** The kernel refuses "protect and do not wake" (protecting wakes nobody), so that bit goes with removal only. */
int64_t setProtection(int uffd, AddressRange range, uint64_t mode) {
  uint64_t protectMode = 0;
  if ((mode & kProtectWp) != 0) {
    protectMode = UFFDIO_WRITEPROTECT_MODE_WP;
  } else if ((mode & kResolveDontWake) != 0) {
    protectMode = UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
  }
  for (int tries = 0; tries < kRetries; tries++) {
    uffdio_writeprotect request = {{range.start, range.length}, protectMode};
    if (ioctl(uffd, UFFDIO_WRITEPROTECT, &request) == 0) return 0;
    if (errno != EAGAIN) return -errno;
    sched_yield();
  }
  return -EAGAIN;
}

napi_value resolveCopy(napi_env env, napi_callback_info info) {
  Args args(env, info, "resolveCopy");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 3);
  const uint64_t source = args.size(2);
  const uint64_t mode = args.size(4);
  if (!args.ok()) return nullptr;
  return toJs(env, copyPages(uffd, range, source, mode));
}

napi_value resolveContinue(napi_env env, napi_callback_info info) {
  Args args(env, info, "resolveContinue");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  const uint64_t mode = args.size(3);
  if (!args.ok()) return nullptr;
  return toJs(env, continuePages(uffd, range, mode));
}

napi_value resolvePoison(napi_env env, napi_callback_info info) {
  Args args(env, info, "resolvePoison");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  const uint64_t mode = args.size(3);
  if (!args.ok()) return nullptr;
  const uint64_t poisonMode = (mode & kResolveDontWake) != 0 ? kPoisonModeDontWake : 0;
  return toJs(env, resolveAll(uffd, range, [&](size_t done, int64_t* mapped) {
                UffdioPoison request = {{range.start + done, range.length - done}, poisonMode, 0};
                const int error = ioctl(uffd, kUffdioPoison, &request) == -1 ? errno : 0;
                *mapped = request.updated;
                return error;
              }));
}

napi_value writeProtect(napi_env env, napi_callback_info info) {
  Args args(env, info, "writeProtect");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  const uint64_t mode = args.size(3);
  if (!args.ok()) return nullptr;
  return toJs(env, setProtection(uffd, range, mode));
}

napi_value writeProtectRuns(napi_env env, napi_callback_info info) {
  Args args(env, info, "writeProtectRuns");
  const int uffd = args.integer(0);
  const uintptr_t address = args.size(1);
  const uint64_t pgoff = args.size(2);
  const uint64_t pages = args.size(3);
  const uint64_t count = args.size(5);
  const View<double> runs = args.float64s(4, count * 2);
  const uint64_t mode = args.size(6);
  if (!args.ok()) return nullptr;
  int64_t error = 0;
  for (size_t i = 0; i < count && error == 0; i++) {
    const auto start = static_cast<uint64_t>(runs.data[2 * i]);
    const uint64_t first = std::max(start, pgoff);
    const uint64_t end = std::min(start + static_cast<uint64_t>(runs.data[2 * i + 1]), pgoff + pages);
    if (first >= end) continue;
    const AddressRange range{address + (first - pgoff) * kPageSize, (end - first) * kPageSize};
    error = setProtection(uffd, range, mode);
  }
  return toJs(env, error);
}

napi_value wakeRange(napi_env env, napi_callback_info info) {
  Args args(env, info, "wakeRange");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  if (!args.ok()) return nullptr;
  return toJs(env, wakePages(uffd, range));
}

}  // namespace faultline
