#include "cached_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "result.h"

namespace faultline {

namespace {

/** mincore says nothing of pages that were swapped out; the holes of the file do. Return: 0 or -errno. */
int addSwapped(int fd, off_t offset, size_t first, size_t end, uint8_t* out) {
  const off_t to = offset + static_cast<off_t>(end * kPageSize);
  off_t at = offset + static_cast<off_t>(first * kPageSize);
  while (at < to) {
    const off_t data = lseek(fd, at, SEEK_DATA);
    // ENXIO: no data from here to the end of the file.
    if (data == -1 && errno == ENXIO) return 0;
    if (data == -1) return -errno;
    if (data >= to) return 0;
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    // ENXIO: the file became shorter than `data` since.
    if (hole == -1) return errno == ENXIO ? 0 : -errno;
    const size_t from = static_cast<size_t>(data - offset) / kPageSize;
    const size_t until = std::min(end, (static_cast<size_t>(hole - offset) + kPageSize - 1) / kPageSize);
    memset(out + from, 1, until - from);
    at = hole;
  }
  return 0;
}

}  // namespace

napi_value cachedPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "cachedPages");
  const int fd = args.integer(0);
  const auto offset = static_cast<off_t>(args.size(1));
  const AddressRange range = args.range(2, 3);
  const View<uint8_t> out = args.uint8s(4, range.pages());
  if (!args.ok()) return nullptr;
  if (mincore(range.data(), range.length, out.data) == -1) return toJs(env, -errno);
  // Bits above the lowest are reserved.
  for (size_t i = 0; i < range.pages(); i++) out.data[i] &= 1;
  for (size_t i = 0; i < range.pages(); i++) {
    if (out.data[i] != 0) continue;
    const size_t first = i;
    while (i + 1 < range.pages() && out.data[i + 1] == 0) i++;
    if (const int error = addSwapped(fd, offset, first, i + 1, out.data); error < 0) return toJs(env, error);
  }
  return toJs(env, 0);
}

}  // namespace faultline
