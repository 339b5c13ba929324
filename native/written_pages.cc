#include "written_pages.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "args.h"
#include "environment.h"
#include "result.h"

namespace faultline {

namespace {

/** PAGEMAP_SCAN of Linux 6.7, in our own names: headers may be older. */
struct ScanArgument {
  uint64_t size, flags, start, end, walkEnd, vec, vecLength, maxPages;
  uint64_t categoryInverted, categoryMask, categoryAnyOf, returnMask;
};

struct ScannedRegion {
  uint64_t start, end, categories;
};

static_assert(sizeof(ScanArgument) == 96);
static_assert(sizeof(ScannedRegion) == 24);

constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);
constexpr uint64_t kPageIsWritten = uint64_t{1} << 1;
constexpr size_t kRegions = 256;

/** Regions from range.start on, at most `most`; `*end` becomes how far it looked. Return: how many, or -errno. */
int scan(int pagemap, AddressRange range, ScannedRegion* regions, size_t most, uint64_t* end) {
  ScanArgument argument = {};
  argument.size = sizeof argument;
  argument.start = range.start;
  argument.end = range.start + range.length;
  argument.vec = reinterpret_cast<uint64_t>(regions);
  argument.vecLength = most;
  argument.categoryMask = kPageIsWritten;
  // This alone, and nothing else asked: then pages that are absent are reported too, unless a marker protects them.
  argument.returnMask = kPageIsWritten;
  const int count = ioctl(pagemap, kPagemapScan, &argument);
  *end = argument.walkEnd;
  return count == -1 ? -errno : count;
}

/** Appends to `out`, joining what touches. */
size_t append(View<double> out, size_t used, const ScannedRegion& region) {
  if (used > 0 && out.data[used - 1] == static_cast<double>(region.start)) {
    out.data[used - 1] = static_cast<double>(region.end);
    return used;
  }
  out.data[used] = static_cast<double>(region.start);
  out.data[used + 1] = static_cast<double>(region.end);
  return used + 2;
}

}  // namespace

napi_value writtenPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "writtenPages");
  AddressRange range = args.range(0, 1);
  const View<double> out = args.float64s(2, 2);
  if (!args.ok()) return nullptr;
  const int pagemap = Environment::of(env)->openPagemap();
  if (pagemap < 0) return toJs(env, pagemap);
  const uint64_t end = range.start + range.length;
  size_t used = 0;
  while (range.start < end && used + 2 <= out.length) {
    ScannedRegion regions[kRegions];
    const size_t room = std::min(kRegions, (out.length - used) / 2);
    uint64_t walked = end;
    const int count = scan(pagemap, {range.start, end - range.start}, regions, room, &walked);
    if (count < 0) return toJs(env, count);
    for (int i = 0; i < count; i++) used = append(out, used, regions[i]);
    // With room left over it has seen everything; else it goes on where it stopped.
    if (static_cast<size_t>(count) < room || walked <= range.start) break;
    range.start = walked;
  }
  return toJs(env, static_cast<double>(used / 2));
}

}  // namespace faultline
