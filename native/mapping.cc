#include "mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "environment.h"
#include "result.h"
#include "sys_error.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace faultline {

namespace {

int mapFlags(bool shared) {
  return (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE;
}

/**
 * Never executable, for anyone's eyes but ours, and closed to further seals: a stranger who can open it (by /proc, as
 * the same user) could else seal it against our own writes. Not sealed against growing and shrinking, which our
 * truncate does.
 */
int openMemfd(const char* name) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  // Before Linux 6.3; without sealing, it is sealed against seals.
  if (fd == -1 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC);
  if (fd == -1) return -1;
  fchmod(fd, 0600);
  fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
  return fd;
}

// Bits of an entry of /proc/self/pagemap; the others need privileges and are zero without.
constexpr uint64_t kPagemapPresent = uint64_t{1} << 63;
constexpr uint64_t kPagemapFile = uint64_t{1} << 61;
constexpr uint64_t kPagemapUffdWp = uint64_t{1} << 57;

/** A page that is not mapped can be write-protected all the same: the protection then waits in a marker. */
uint8_t decodePagemap(uint64_t entry) {
  int result = 0;
  if ((entry & kPagemapPresent) != 0) result = (entry & kPagemapFile) != 0 ? kPteFile : kPteAnon;
  if ((entry & kPagemapUffdWp) != 0) result |= kPteWp;
  return static_cast<uint8_t>(result);
}

int64_t readPagemap(int fd, AddressRange range, uint8_t* out) {
  uint64_t entries[512];
  const size_t pages = range.pages();
  for (size_t page = 0; page < pages;) {
    const size_t piece = std::min(pages - page, std::size(entries));
    const auto at = static_cast<off_t>((range.start / kPageSize + page) * sizeof(uint64_t));
    const ssize_t bytes = pread(fd, entries, piece * sizeof(uint64_t), at);
    if (bytes < 0) return -errno;
    if (bytes == 0) return -EFAULT;
    const size_t got = static_cast<size_t>(bytes) / sizeof(uint64_t);
    for (size_t i = 0; i < got; i++) out[page + i] = decodePagemap(entries[i]);
    page += got;
  }
  return 0;
}

}  // namespace

napi_value createMemfd(napi_env env, napi_callback_info info) {
  Args args(env, info, "createMemfd");
  const std::string name = args.string(0);
  const uint64_t size = args.size(1);
  if (!args.ok()) return nullptr;
  const int fd = openMemfd(name.c_str());
  if (fd == -1) return throwSysError(env, errno, "memfd_create");
  if (ftruncate(fd, static_cast<off_t>(size)) == -1) {
    const int error = errno;
    close(fd);
    return throwSysError(env, error, "ftruncate");
  }
  return toJs(env, fd);
}

napi_value mapFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "mapFile");
  const int fd = args.integer(0);
  const auto offset = static_cast<off_t>(args.size(1));
  const size_t length = args.size(2);
  const int protection = args.integer(3);
  const bool shared = args.boolean(4);
  if (!args.ok()) return nullptr;
  void* address = mmap(nullptr, length, protection, mapFlags(shared), fd, offset);
  return address == MAP_FAILED ? throwSysError(env, errno, "mmap") : addressToJs(env, address);
}

/** Reserves 2 MiB more than it needs, maps over the fitting part, and gives the rest back: no moment without owner. */
napi_value mapAligned(napi_env env, napi_callback_info info) {
  Args args(env, info, "mapAligned");
  const int fd = args.integer(0);
  const uint64_t offset = args.size(1);
  const AddressRange wanted{0, args.size(2)};
  const int protection = args.integer(3);
  const bool shared = args.boolean(4);
  const uint64_t misalign = args.size(5);
  if (!args.ok()) return nullptr;
  if (!wanted.inUserSpace() || wanted.length % kPageSize != 0 || misalign % kPageSize != 0) {
    return throwSysError(env, EINVAL, "mmap", "length and misalign must be page multiples");
  }
  const size_t reserved = wanted.length + kHugeSize;
  void* reservation = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reservation == MAP_FAILED) return throwSysError(env, errno, "mmap");

  const auto start = reinterpret_cast<uintptr_t>(reservation);
  const size_t before = (offset + misalign - start) & (kHugeSize - 1);
  void* address = reinterpret_cast<void*>(start + before);
  const int flags = mapFlags(shared) | MAP_FIXED;
  if (mmap(address, wanted.length, protection, flags, fd, static_cast<off_t>(offset)) == MAP_FAILED) {
    const int error = errno;
    munmap(reservation, reserved);
    return throwSysError(env, error, "mmap");
  }
  if (before != 0) munmap(reservation, before);
  munmap(reinterpret_cast<void*>(start + before + wanted.length), kHugeSize - before);
  return addressToJs(env, address);
}

/** An older kernel takes NOREPLACE for a mere hint, so where the mapping ended up is looked at. */
napi_value mapAt(napi_env env, napi_callback_info info) {
  Args args(env, info, "mapAt");
  const int fd = args.integer(0);
  const auto offset = static_cast<off_t>(args.size(1));
  const AddressRange wanted = args.range(5, 2);
  const int protection = args.integer(3);
  const bool shared = args.boolean(4);
  if (!args.ok()) return nullptr;
  const int flags = mapFlags(shared) | MAP_FIXED_NOREPLACE;
  void* address = mmap(wanted.data(), wanted.length, protection, flags, fd, offset);
  if (address == MAP_FAILED) return toJs(env, -errno);
  if (address == wanted.data()) return addressToJs(env, address);
  munmap(address, wanted.length);
  return toJs(env, -EEXIST);
}

napi_value protectPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "protectPages");
  const AddressRange range = args.range(0, 1);
  const int protection = args.integer(2);
  if (!args.ok()) return nullptr;
  return toJs(env, mprotect(range.data(), range.length, protection) == -1 ? -errno : 0);
}

napi_value mapZeroes(napi_env env, napi_callback_info info) {
  Args args(env, info, "mapZeroes");
  const size_t length = args.size(0);
  if (!args.ok()) return nullptr;
  void* address = mmap(nullptr, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? throwSysError(env, errno, "mmap") : addressToJs(env, address);
}

napi_value unmap(napi_env env, napi_callback_info info) {
  Args args(env, info, "unmap");
  const AddressRange range = args.range(0, 1);
  if (!args.ok()) return nullptr;
  return undefinedOrThrow(env, munmap(range.data(), range.length), "munmap");
}

napi_value dropPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "dropPages");
  const AddressRange range = args.range(0, 1);
  if (!args.ok()) return nullptr;
  return toJs(env, madvise(range.data(), range.length, MADV_DONTNEED) == -1 ? -errno : 0);
}

napi_value residentPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "residentPages");
  const AddressRange range = args.range(0, 1);
  const View<uint8_t> out = args.uint8s(2, range.pages());
  if (!args.ok()) return nullptr;
  if (mincore(range.data(), range.length, out.data) == -1) return toJs(env, -errno);
  // Bits above the lowest are reserved.
  for (size_t i = 0; i < range.pages(); i++) out.data[i] &= 1;
  return toJs(env, 0);
}

napi_value pageTableEntries(napi_env env, napi_callback_info info) {
  Args args(env, info, "pageTableEntries");
  const AddressRange range = args.range(0, 1);
  const View<uint8_t> out = args.uint8s(2, range.pages());
  if (!args.ok()) return nullptr;
  const int pagemap = Environment::of(env)->openPagemap();
  return toJs(env, pagemap < 0 ? pagemap : readPagemap(pagemap, range, out.data));
}

napi_value createArrayBuffer(napi_env env, napi_callback_info info) {
  Args args(env, info, "createArrayBuffer");
  const AddressRange range = args.range(0, 1);
  if (!args.ok()) return nullptr;
  napi_value result = nullptr;
  // No finalizer: the memory is not the buffer's, so there is nothing to do when it is collected or detached.
  if (napi_create_external_arraybuffer(env, range.data(), range.length, nullptr, nullptr, &result) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) args.failRange(1, "a length this engine can put in one ArrayBuffer", range.length);
    return nullptr;
  }
  return result;
}

napi_value detachArrayBuffer(napi_env env, napi_callback_info info) {
  Args args(env, info, "detachArrayBuffer");
  if (!args.ok()) return nullptr;
  bool isArrayBuffer = false;
  napi_is_arraybuffer(env, args.raw(0), &isArrayBuffer);
  if (!isArrayBuffer) {
    args.failType(0, "an ArrayBuffer");
    return nullptr;
  }
  bool detached = false;
  napi_is_detached_arraybuffer(env, args.raw(0), &detached);
  if (!detached && napi_detach_arraybuffer(env, args.raw(0)) != napi_ok) {
    args.failType(0, "a detachable ArrayBuffer");
    return nullptr;
  }
  return undefined(env);
}

napi_value addressOf(napi_env env, napi_callback_info info) {
  Args args(env, info, "addressOf");
  if (!args.ok()) return nullptr;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, args.raw(0), nullptr, nullptr, &data, nullptr, nullptr) != napi_ok &&
      napi_get_dataview_info(env, args.raw(0), nullptr, &data, nullptr, nullptr) != napi_ok) {
    args.failType(0, "a typed array or DataView");
    return nullptr;
  }
  return addressToJs(env, data);
}

}  // namespace faultline
