#pragma once

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cstdint>

/**
 * The userfaultfd interface of today's kernels in terms of our own names, whatever the age of the headers we are
 * built with (Debian 12 has those of Linux 6.1). Whether the running kernel has a thing is asked at run time.
 */
namespace faultline {

inline constexpr uint64_t kFeatureWp = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
inline constexpr uint64_t kFeatureMissingShmem = UFFD_FEATURE_MISSING_SHMEM;
inline constexpr uint64_t kFeatureThreadId = UFFD_FEATURE_THREAD_ID;
inline constexpr uint64_t kFeatureMinorShmem = UFFD_FEATURE_MINOR_SHMEM;
inline constexpr uint64_t kFeatureExactAddress = UFFD_FEATURE_EXACT_ADDRESS;
inline constexpr uint64_t kFeatureWpShmem = UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
inline constexpr uint64_t kFeatureWpUnpopulated = uint64_t{1} << 13;
inline constexpr uint64_t kFeaturePoison = uint64_t{1} << 14;
inline constexpr uint64_t kFeatureWpAsync = uint64_t{1} << 15;
inline constexpr uint64_t kFeatureMove = uint64_t{1} << 16;

inline constexpr uint64_t kContinueModeWp = uint64_t{1} << 1;

inline constexpr int kIoctlMove = 0x05;
inline constexpr int kIoctlPoison = 0x08;

struct UffdioPoison {
  uffdio_range range;
  uint64_t mode;
  int64_t updated;
};

inline constexpr uint64_t kPoisonModeDontWake = uint64_t{1} << 0;
inline constexpr unsigned long kUffdioPoison = _IOWR(UFFDIO, kIoctlPoison, UffdioPoison);

static_assert(sizeof(UffdioPoison) == 32);
static_assert(sizeof(uffdio_copy) == 40);
static_assert(sizeof(uffdio_continue) == 32);
static_assert(sizeof(uffdio_writeprotect) == 24);

}  // namespace faultline
