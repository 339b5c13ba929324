#include "uffd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "args.h"
#include "result.h"
#include "sys_error.h"
#include "uffd_abi.h"

namespace faultline {

namespace {

struct Way {
  const char* name;
  int (*open)();
};

constexpr int kOpenFlags = O_CLOEXEC | O_NONBLOCK;

int openSyscall(int flags) {
  return static_cast<int>(syscall(SYS_userfaultfd, kOpenFlags | flags));
}

int openDevice() {
  const int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (device == -1) return -1;
  const int fd = ioctl(device, USERFAULTFD_IOC_NEW, kOpenFlags);
  const int error = errno;
  close(device);
  errno = error;
  return fd;
}

/** In this order: the first two also deliver faults taken inside system calls, the last needs no privilege. */
constexpr Way kWays[] = {
    {"device", openDevice},
    {"syscall", [] { return openSyscall(0); }},
    {"user-mode-only", [] { return openSyscall(UFFD_USER_MODE_ONLY); }},
};

struct Feature {
  const char* name;
  uint64_t bit;
  const char* since;
  /** Mounting is refused without it. */
  bool needed;
  /** Asked for in the handshake when the kernel has it. */
  bool enabled;
};

/**
 * WP_UNPOPULATED is needed for what came with it: UFFDIO_CONTINUE that maps write-protected has no feature bit of its
 * own, entered the kernel in the same release, and cannot be replaced by two calls (a store between them is unseen).
 * POISON is needed because nothing else turns a fault that cannot be served into SIGBUS: it would be raised for ever.
 */
constexpr Feature kFeatures[] = {
    {"MISSING_SHMEM", kFeatureMissingShmem, "4.11", true, true},
    {"THREAD_ID", kFeatureThreadId, "4.14", true, true},
    {"PAGEFAULT_FLAG_WP", kFeatureWp, "5.7", true, true},
    {"MINOR_SHMEM", kFeatureMinorShmem, "5.14", true, true},
    {"EXACT_ADDRESS", kFeatureExactAddress, "5.18", false, true},
    {"WP_HUGETLBFS_SHMEM", kFeatureWpShmem, "5.19", true, true},
    {"WP_UNPOPULATED", kFeatureWpUnpopulated, "6.4", true, true},
    {"POISON", kFeaturePoison, "6.6", true, true},
    {"WP_ASYNC", kFeatureWpAsync, "6.7", false, false},
    {"MOVE", kFeatureMove, "6.8", false, false},
};

/** For tests: features named in FAULTLINE_WITHOUT (A,B) are taken for missing, as from an older kernel. */
uint64_t hiddenFeatures() {
  const char* names = getenv("FAULTLINE_WITHOUT");
  if (names == nullptr) return 0;
  const std::string list = std::string(",") + names + ",";
  uint64_t hidden = 0;
  for (const Feature& feature : kFeatures) {
    if (list.find(std::string(",") + feature.name + ",") != std::string::npos) hidden |= feature.bit;
  }
  return hidden;
}

/** UFFDIO_API, which a userfaultfd accepts once. Return: 0 or errno; `features` becomes all the kernel has. */
int handshake(int fd, uint64_t* features) {
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = *features;
  if (ioctl(fd, UFFDIO_API, &api) == -1) return errno;
  *features = api.features & ~hiddenFeatures();
  return 0;
}

/** Asks on a userfaultfd of its own: the one that will be used must name its features in its only handshake. */
int availableFeatures(const Way& way, uint64_t* features) {
  const int fd = way.open();
  if (fd == -1) return errno;
  *features = 0;
  const int error = handshake(fd, features);
  close(fd);
  return error;
}

napi_value describe(napi_env env, int fd, const Way& way, uint64_t features) {
  JsObject result(env);
  result.set("fd", fd);
  result.set("way", way.name);
  result.set("features", static_cast<double>(features));
  return result;
}

/** extra: features needed besides those that always are. */
napi_value openWith(napi_env env, const Way& way, uint64_t available, uint64_t extra) {
  uint64_t wanted = extra;
  for (const Feature& feature : kFeatures) {
    const bool there = (available & feature.bit) != 0;
    if (!there && (feature.needed || (extra & feature.bit) != 0)) {
      return throwSysError(env, ENOTSUP, "UFFDIO_API",
                           std::string("userfaultfd feature ") + feature.name + " needs Linux " + feature.since);
    }
    if (there && feature.enabled) wanted |= feature.bit;
  }
  const int fd = way.open();
  if (fd == -1) return throwSysError(env, errno, "userfaultfd", way.name);
  const int error = handshake(fd, &wanted);
  if (error != 0) {
    close(fd);
    return throwSysError(env, error, "UFFDIO_API");
  }
  return describe(env, fd, way, available);
}

napi_value openFirstWay(napi_env env, uint64_t extra) {
  std::string tried;
  int error = 0;
  for (const Way& way : kWays) {
    uint64_t available = 0;
    error = availableFeatures(way, &available);
    if (error == 0) return openWith(env, way, available, extra);
    tried += (tried.empty() ? "tried " : ", ") + std::string(way.name) + " (" + errnoName(error) + ")";
  }
  return throwSysError(env, error, "userfaultfd", tried);
}

}  // namespace

napi_value userfaultfdFeatures(napi_env env, napi_callback_info) {
  JsArray result(env);
  for (const Feature& feature : kFeatures) {
    JsObject row(env);
    row.set("name", feature.name);
    row.set("bit", static_cast<double>(feature.bit));
    row.set("since", feature.since);
    row.set("needed", feature.needed);
    result.push(row);
  }
  return result;
}

napi_value probeUserfaultfd(napi_env env, napi_callback_info) {
  JsArray result(env);
  for (const Way& way : kWays) {
    uint64_t features = 0;
    const int error = availableFeatures(way, &features);
    JsObject attempt(env);
    attempt.set("way", way.name);
    attempt.set("ok", error == 0);
    if (error != 0)
      attempt.set("code", errnoName(error));
    else
      attempt.set("features", static_cast<double>(features));
    result.push(attempt);
  }
  return result;
}

napi_value openUserfaultfd(napi_env env, napi_callback_info) {
  return openFirstWay(env, 0);
}

/** Stores to what it protects lift the protection and tell nobody; pages that are not there are faults all the same. */
napi_value openAsyncUserfaultfd(napi_env env, napi_callback_info) {
  return openFirstWay(env, kFeatureWpAsync);
}

napi_value registerRange(napi_env env, napi_callback_info info) {
  Args args(env, info, "registerRange");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  const uint64_t modes = args.size(3);
  if (!args.ok()) return nullptr;
  uffdio_register request = {{range.start, range.length}, modes, 0};
  if (ioctl(uffd, UFFDIO_REGISTER, &request) == -1) return throwSysError(env, errno, "UFFDIO_REGISTER");
  return toJs(env, static_cast<double>(request.ioctls));
}

napi_value unregisterRange(napi_env env, napi_callback_info info) {
  Args args(env, info, "unregisterRange");
  const int uffd = args.integer(0);
  const AddressRange range = args.range(1, 2);
  if (!args.ok()) return nullptr;
  uffdio_range request = {range.start, range.length};
  return undefinedOrThrow(env, ioctl(uffd, UFFDIO_UNREGISTER, &request), "UFFDIO_UNREGISTER");
}

napi_value createEvent(napi_env env, napi_callback_info) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd == -1 ? throwSysError(env, errno, "eventfd") : toJs(env, fd);
}

napi_value signalEvent(napi_env env, napi_callback_info info) {
  Args args(env, info, "signalEvent");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  // EAGAIN: the counter is full, so it is signalled.
  const int result = eventfd_write(fd, 1);
  return result == -1 && errno == EAGAIN ? undefined(env) : undefinedOrThrow(env, result, "eventfd_write");
}

napi_value clearEvent(napi_env env, napi_callback_info info) {
  Args args(env, info, "clearEvent");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  eventfd_t count = 0;
  // EAGAIN: it was clear.
  const int result = eventfd_read(fd, &count);
  return result == -1 && errno == EAGAIN ? undefined(env) : undefinedOrThrow(env, result, "eventfd_read");
}

}  // namespace faultline
