#pragma once

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <immintrin.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../uffd_abi.h"

/** What the yardsticks of the benchmarks share: programs of one thread of control that end at the first error. */
namespace faultline {

inline constexpr size_t kPage = 4096;

[[noreturn]] inline void die(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

[[noreturn]] inline void usage(const char* wrong) {
  fprintf(stderr, "%s: %s\nIt is run by faultline bench.\n", program_invocation_short_name, wrong);
  exit(2);
}

inline size_t number(const char* name, const char* text) {
  char* end = nullptr;
  const unsigned long long value = strtoull(text, &end, 10);
  if (*text == '-' || *text == '\0' || *end != '\0' || value > (1ULL << 40)) usage(name);
  return value;
}

inline void* map(int fd, size_t length, int protection, int flags) {
  void* address = mmap(nullptr, length, protection, flags | MAP_NORESERVE, fd, 0);
  if (address == MAP_FAILED) die("mmap");
  return address;
}

inline int openUserfaultfd() {
  int fd = -1;
  const int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (device != -1) {
    fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
    close(device);
  }
  if (fd == -1) fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (fd == -1) fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd == -1) die("userfaultfd");
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = kFeatureMissingShmem | kFeatureThreadId | kFeatureWp | kFeatureMinorShmem | kFeatureWpShmem |
                 kFeatureWpUnpopulated;
  if (ioctl(fd, UFFDIO_API, &api) == -1) die("UFFDIO_API");
  return fd;
}

inline void registerMapping(int uffd, const void* address, size_t length) {
  const uint64_t modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP;
  uffdio_register request = {{reinterpret_cast<uint64_t>(address), length}, modes, 0};
  if (ioctl(uffd, UFFDIO_REGISTER, &request) == -1) die("UFFDIO_REGISTER");
}

inline uint32_t fold(uint32_t hash, uint32_t word) {
  return (hash ^ word) * 0x01000193U;
}

inline uint64_t monotonicNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace faultline
