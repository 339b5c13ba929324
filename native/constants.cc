#include "constants.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

#include <cerrno>

#include "address_range.h"
#include "fault_port.h"
#include "fault_record.h"
#include "mapping.h"
#include "result.h"
#include "store_log.h"
#include "store_ranges.h"
#include "uffd_abi.h"
#include "uffd_resolve.h"

namespace faultline {

namespace {

struct Constant {
  const char* name;
  double value;
};

#define SAME(name)                     \
  {                                    \
#name, static_cast < double>(name) \
  }

constexpr Constant kConstants[] = {
    {"PAGE_SIZE", kPageSize},
    {"LINE_SIZE", kLineSize},
    {"PMD_SIZE", kHugeSize},
    {"FAULT_BATCH", kFaultBatch},
    {"FAULT_RECORD_FIRST", kRecordFirst},
    {"FAULT_RECORD_SIZE", kRecordSize},
    {"PORT_RECORDS", kPortRecords},
    {"PORT_COPY", kPortCopy},
    {"PORT_CONTINUE", kPortContinue},
    {"PORT_UNPROTECT", kPortUnprotect},
    {"PORT_WAKE", kPortWake},
    {"UFFD_MSG_SIZE", sizeof(uffd_msg)},

    {"UFFD_FEATURE_PAGEFAULT_FLAG_WP", kFeatureWp},
    {"UFFD_FEATURE_MISSING_SHMEM", kFeatureMissingShmem},
    {"UFFD_FEATURE_THREAD_ID", kFeatureThreadId},
    {"UFFD_FEATURE_MINOR_SHMEM", kFeatureMinorShmem},
    {"UFFD_FEATURE_EXACT_ADDRESS", kFeatureExactAddress},
    {"UFFD_FEATURE_WP_HUGETLBFS_SHMEM", kFeatureWpShmem},
    {"UFFD_FEATURE_WP_UNPOPULATED", kFeatureWpUnpopulated},
    {"UFFD_FEATURE_POISON", kFeaturePoison},
    {"UFFD_FEATURE_WP_ASYNC", kFeatureWpAsync},
    {"UFFD_FEATURE_MOVE", kFeatureMove},

    {"UFFD_REGISTER_MODE_MISSING", UFFDIO_REGISTER_MODE_MISSING},
    {"UFFD_REGISTER_MODE_WP", UFFDIO_REGISTER_MODE_WP},
    {"UFFD_REGISTER_MODE_MINOR", UFFDIO_REGISTER_MODE_MINOR},

    // Bit numbers in the mask that registerRange gives.
    {"UFFD_IOCTL_WAKE", _UFFDIO_WAKE},
    {"UFFD_IOCTL_COPY", _UFFDIO_COPY},
    {"UFFD_IOCTL_ZEROPAGE", _UFFDIO_ZEROPAGE},
    {"UFFD_IOCTL_MOVE", kIoctlMove},
    {"UFFD_IOCTL_WRITEPROTECT", _UFFDIO_WRITEPROTECT},
    {"UFFD_IOCTL_CONTINUE", _UFFDIO_CONTINUE},
    {"UFFD_IOCTL_POISON", kIoctlPoison},

    {"FAULT_WRITE", kFaultWrite},
    {"FAULT_WP", kFaultWp},
    {"FAULT_MINOR", kFaultMinor},
    {"RESOLVE_WP", kResolveWp},
    {"RESOLVE_DONTWAKE", kResolveDontWake},
    {"PROTECT_WP", kProtectWp},
    {"PTE_FILE", kPteFile},
    {"PTE_ANON", kPteAnon},
    {"PTE_WP", kPteWp},

    {"TRACED_START", kTracedStart},
    {"TRACED_END", kTracedEnd},
    {"STORE_VIEW_DISTANCE", kStoreViewDistance},
    {"STORE_LOG_HEADER", StoreLog::kHeaderBytes},

    SAME(PROT_NONE),
    SAME(PROT_READ),
    SAME(PROT_WRITE),

    SAME(FALLOC_FL_KEEP_SIZE),
    SAME(FALLOC_FL_PUNCH_HOLE),
    SAME(FALLOC_FL_COLLAPSE_RANGE),
    SAME(FALLOC_FL_ZERO_RANGE),
    SAME(FALLOC_FL_INSERT_RANGE),
    SAME(FALLOC_FL_UNSHARE_RANGE),

    SAME(O_RDONLY),
    SAME(O_WRONLY),
    SAME(O_RDWR),
    SAME(O_CREAT),
    SAME(O_EXCL),
    SAME(O_TRUNC),
    SAME(O_DIRECTORY),
    SAME(O_NOFOLLOW),
    SAME(O_CLOEXEC),
    SAME(O_NONBLOCK),
    SAME(O_PATH),
    SAME(O_DSYNC),
    SAME(O_SYNC),
    SAME(O_TMPFILE),

    SAME(EPERM),
    SAME(ENOENT),
    SAME(EINTR),
    SAME(EIO),
    SAME(ENXIO),
    SAME(EBADF),
    SAME(EAGAIN),
    SAME(ENOMEM),
    SAME(EACCES),
    SAME(EFAULT),
    SAME(EBUSY),
    SAME(EEXIST),
    SAME(EXDEV),
    SAME(ENODEV),
    SAME(ENOTDIR),
    SAME(EISDIR),
    SAME(EINVAL),
    SAME(EMFILE),
    SAME(EFBIG),
    SAME(ENOSPC),
    SAME(EROFS),
    SAME(ELOOP),
    SAME(ENAMETOOLONG),
    SAME(ENOSYS),
    SAME(ENOTEMPTY),
    SAME(EOVERFLOW),
    SAME(EOPNOTSUPP),
    SAME(ENOTSUP),
    SAME(ESRCH),
    SAME(ETIMEDOUT),
    SAME(EDQUOT),
    SAME(EHWPOISON),
};

#undef SAME

}  // namespace

napi_value constants(napi_env env) {
  JsObject result(env);
  for (const Constant& constant : kConstants) result.set(constant.name, constant.value);
  napi_object_freeze(env, result);
  return result;
}

}  // namespace faultline
