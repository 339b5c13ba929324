#include "host_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "result.h"
#include "sys_error.h"
#include "thread_end.h"

namespace faultline {

namespace {

/** Repeat a system call that a signal interrupted. */
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

int64_t errnoOf(int result) {
  return result == -1 ? -errno : 0;
}

/** openat2 says EAGAIN when a rename elsewhere made it unsure that the path stays beneath; it asks to be repeated. */
constexpr int kOpenRetries = 32;

int openBeneathOnce(int directory, const char* path, int flags, int mode) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  // openat2 refuses a mode for a file it may not create, where open(2) ignores it.
  const bool mayCreate = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  how.mode = mayCreate ? static_cast<uint64_t>(mode) : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

double milliseconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

/**
 * Repeat `step(address, bytes, at)` (pread or pwrite) until everything is moved, the file ends, or an error.
 * Return: bytes moved, or -errno when there was an error before the first.
 */
template <typename Step>
int64_t moveAll(AddressRange memory, off_t offset, Step step) {
  size_t done = 0;
  while (done < memory.length) {
    const off_t at = offset + static_cast<off_t>(done);
    const ssize_t moved =
        uninterrupted([&] { return step(reinterpret_cast<void*>(memory.start + done), memory.length - done, at); });
    if (moved == -1) return done > 0 ? static_cast<int64_t>(done) : -errno;
    if (moved == 0) break;
    done += static_cast<size_t>(moved);
  }
  return static_cast<int64_t>(done);
}

int64_t writeSome(int fd, AddressRange source, off_t offset) {
  return moveAll(source, offset, [fd](void* data, size_t bytes, off_t at) { return pwrite(fd, data, bytes, at); });
}

}  // namespace

int64_t writeAll(int fd, AddressRange source, off_t offset) {
  while (source.length != 0) {
    const int64_t written = writeSome(fd, source, offset);
    if (written < 0) return written;
    if (written == 0) return -EIO;
    source = {source.start + static_cast<size_t>(written), source.length - static_cast<size_t>(written)};
    offset += written;
  }
  return 0;
}

napi_value openBeneath(napi_env env, napi_callback_info info) {
  Args args(env, info, "openBeneath");
  const int directory = args.integer(0);
  const std::string path = args.string(1);
  const int flags = args.integer(2);
  const int mode = args.integer(3);
  if (!args.ok()) return nullptr;
  int fd = -1;
  for (int tries = 0; tries < kOpenRetries; tries++) {
    fd = uninterrupted([&] { return openBeneathOnce(directory, path.c_str(), flags, mode); });
    if (fd != -1 || errno != EAGAIN) break;
  }
  return fd == -1 ? throwSysError(env, errno, "openat2", path) : toJs(env, fd);
}

napi_value openDirectory(napi_env env, napi_callback_info info) {
  Args args(env, info, "openDirectory");
  const std::string path = args.string(0);
  if (!args.ok()) return nullptr;
  const int fd = uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  return fd == -1 ? throwSysError(env, errno, "open", path) : toJs(env, fd);
}

napi_value duplicateFd(napi_env env, napi_callback_info info) {
  Args args(env, info, "duplicateFd");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy == -1 ? throwSysError(env, errno, "fcntl") : toJs(env, copy);
}

/** Not repeated after EINTR: Linux has closed the descriptor by then. */
napi_value closeFd(napi_env env, napi_callback_info info) {
  Args args(env, info, "closeFd");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  const int result = closeOwned(env, fd);
  return result == -1 && errno == EINTR ? undefined(env) : undefinedOrThrow(env, result, "close");
}

napi_value fileStatus(napi_env env, napi_callback_info info) {
  Args args(env, info, "fileStatus");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  struct stat status = {};
  if (fstat(fd, &status) == -1) return throwSysError(env, errno, "fstat");
  JsObject result(env);
  result.set("size", static_cast<double>(status.st_size));
  result.set("blocks", static_cast<double>(status.st_blocks));
  result.set("device", static_cast<double>(status.st_dev));
  result.set("inode", static_cast<double>(status.st_ino));
  result.set("mode", static_cast<double>(status.st_mode));
  result.set("links", static_cast<double>(status.st_nlink));
  result.set("blockSize", static_cast<double>(status.st_blksize));
  result.set("modifiedMs", milliseconds(status.st_mtim));
  result.set("changedMs", milliseconds(status.st_ctim));
  return result;
}

/** Moves the file offset, which nobody else uses: all I/O here names its own. */
napi_value fileExtents(napi_env env, napi_callback_info info) {
  Args args(env, info, "fileExtents");
  const int fd = args.integer(0);
  auto at = static_cast<off_t>(args.size(1));
  const auto to = static_cast<off_t>(args.size(2));
  const View<double> out = args.float64s(3, 2);
  if (!args.ok()) return nullptr;
  int pairs = 0;
  while (at < to && static_cast<size_t>(pairs) < out.length / 2) {
    const off_t data = lseek(fd, at, SEEK_DATA);
    // ENXIO: no data from here to the end of the file.
    if (data == -1 && errno == ENXIO) break;
    if (data == -1) return throwSysError(env, errno, "lseek", "SEEK_DATA");
    if (data >= to) break;
    off_t hole = lseek(fd, data, SEEK_HOLE);
    // The file became shorter than `data` since.
    if (hole == -1 && errno == ENXIO) break;
    if (hole == -1) return throwSysError(env, errno, "lseek", "SEEK_HOLE");
    hole = std::min(hole, to);
    out.data[2 * pairs] = static_cast<double>(data);
    out.data[2 * pairs + 1] = static_cast<double>(hole);
    pairs++;
    at = hole;
  }
  return toJs(env, pairs);
}

napi_value allocateFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "allocateFile");
  const int fd = args.integer(0);
  const int mode = args.integer(1);
  const auto offset = static_cast<off_t>(args.size(2));
  const auto length = static_cast<off_t>(args.size(3));
  if (!args.ok()) return nullptr;
  return toJs(env, errnoOf(uninterrupted([&] { return fallocate(fd, mode, offset, length); })));
}

napi_value truncateFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "truncateFile");
  const int fd = args.integer(0);
  const auto size = static_cast<off_t>(args.size(1));
  if (!args.ok()) return nullptr;
  return toJs(env, errnoOf(uninterrupted([&] { return ftruncate(fd, size); })));
}

napi_value syncFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "syncFile");
  const int fd = args.integer(0);
  const bool dataOnly = args.boolean(1);
  if (!args.ok()) return nullptr;
  return toJs(env, errnoOf(uninterrupted([&] { return dataOnly ? fdatasync(fd) : fsync(fd); })));
}

napi_value tryLockFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "tryLockFile");
  const int fd = args.integer(0);
  if (!args.ok()) return nullptr;
  if (uninterrupted([&] { return tryLockOwned(env, fd); }) == 0) return toJs(env, true);
  return errno == EWOULDBLOCK ? toJs(env, false) : throwSysError(env, errno, "flock");
}

napi_value writeFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "writeFile");
  const int fd = args.integer(0);
  const AddressRange source = args.range(1, 2);
  const auto offset = static_cast<off_t>(args.size(3));
  if (!args.ok()) return nullptr;
  return toJs(env, writeSome(fd, source, offset));
}

napi_value readFile(napi_env env, napi_callback_info info) {
  Args args(env, info, "readFile");
  const int fd = args.integer(0);
  const AddressRange destination = args.range(1, 2);
  const auto offset = static_cast<off_t>(args.size(3));
  if (!args.ok()) return nullptr;
  const auto read = [fd](void* data, size_t bytes, off_t at) { return pread(fd, data, bytes, at); };
  return toJs(env, moveAll(destination, offset, read));
}

}  // namespace faultline
