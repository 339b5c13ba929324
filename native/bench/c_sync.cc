/**
 * The yardstick of `faultline bench sync`: msync in C++ without Node, for pages that are known to be dirty.
 *
 * What it does for each run of neighbouring dirty pages is what the kernel here does (lib/dax/writeback.ts):
 *   write-protect the run        one UFFDIO_WRITEPROTECT
 *   compare with media by line   the same loop, from an alias mapping against a mapping of the media file
 *   flush what differs           clwb, or what the CPU has
 *   write it to media            one pwrite for neighbouring lines
 * What it leaves out: locks, the tree and its tags, counters, other mappings of the file.
 *
 * A turn stores to one word of each page, which a thread of its own makes writable by a page fault, gives that thread
 * a moment to go back to sleep, and syncs; only the sync is timed. It prints one line of JSON: nanoseconds of
 * the median turn, and a hash folded over those words as media has them in the end.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "../flush_line.h"
#include "../line_compare.h"
#include "bench.h"

using namespace faultline;

namespace {

constexpr useconds_t kPauseUs = 200;
constexpr size_t kPageWords = kPage / sizeof(uint32_t);

struct Options {
  const char* file = nullptr;
  size_t size = 0, pages = 0, stride = 1, turns = 1, warm = 0, run = 1;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[i]);
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--file") == 0) {
      options.file = value;
    } else if (strcmp(argv[i], "--size") == 0) {
      options.size = number("--size", value);
    } else if (strcmp(argv[i], "--pages") == 0) {
      options.pages = number("--pages", value);
    } else if (strcmp(argv[i], "--stride") == 0) {
      options.stride = number("--stride", value);
    } else if (strcmp(argv[i], "--turns") == 0) {
      options.turns = number("--turns", value);
    } else if (strcmp(argv[i], "--warm") == 0) {
      options.warm = number("--warm", value);
    } else if (strcmp(argv[i], "--run") == 0) {
      options.run = number("--run", value);
    } else {
      usage(argv[i]);
    }
  }
  if (options.file == nullptr || options.pages == 0 || options.turns == 0 || options.run == 0 || options.stride == 0) {
    usage("--file, --size, --pages, --stride, --turns and --run are needed");
  }
  if (((options.pages - 1) * options.stride + 1) * kPage > options.size) usage("the pages do not fit the file");
  return options;
}

/** Which word of a page a turn stores to: in another line from page to page. */
size_t wordOf(size_t page) {
  return page * kPageWords + (page * 7 % kWindowLines) * (kLineSize / sizeof(uint32_t));
}

class Sync {
 public:
  Sync(const Options& options, int uffd, int media) : options_(options), uffd_(uffd), mediaFd_(media) {
    const int cache = memfd_create("c_sync", MFD_CLOEXEC);
    if (cache == -1 || ftruncate(cache, static_cast<off_t>(options.size)) == -1) die("memfd");
    media_ = static_cast<const uint8_t*>(map(media, options.size, PROT_READ, MAP_SHARED));
    alias_ = static_cast<const uint8_t*>(map(cache, options.size, PROT_READ | PROT_WRITE, MAP_SHARED));
    user_ = static_cast<uint32_t*>(map(cache, options.size, PROT_READ | PROT_WRITE, MAP_SHARED));
    registerMapping(uffd, user_, options.size);
    const void* zeroes = map(-1, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
    for (size_t i = 0; i < options.pages; i++) {
      uffdio_copy request = {at(i), reinterpret_cast<uint64_t>(zeroes), kPage, UFFDIO_COPY_MODE_WP, 0};
      if (ioctl(uffd, UFFDIO_COPY, &request) == -1) die("UFFDIO_COPY");
    }
  }

  void dirty(uint32_t value) {
    for (size_t i = 0; i < options_.pages; i++) {
      const size_t page = i * options_.stride;
      user_[wordOf(page)] = static_cast<uint32_t>(page) + value;
    }
  }

  void run() {
    const size_t longest = options_.stride == 1 ? options_.run : 1;
    for (size_t i = 0; i < options_.pages; i += longest) {
      const size_t pages = std::min(longest, options_.pages - i);
      protect(i, pages);
      const size_t offset = i * options_.stride * kPage;
      for (size_t page = 0; page < pages; page++) writeback(offset + page * kPage);
    }
    flushRun();
  }

  uint32_t hash() const {
    uint32_t hash = 0;
    for (size_t i = 0; i < options_.pages; i++) {
      uint32_t word = 0;
      const off_t offset = static_cast<off_t>(wordOf(i * options_.stride) * sizeof word);
      if (pread(mediaFd_, &word, sizeof word, offset) != sizeof word) die("pread");
      hash = fold(hash, word);
    }
    return hash;
  }

 private:
  uint64_t at(size_t i) const { return reinterpret_cast<uint64_t>(user_) + i * options_.stride * kPage; }

  void protect(size_t i, size_t pages) {
    uffdio_writeprotect request = {{at(i), pages * kPage}, UFFDIO_WRITEPROTECT_MODE_WP};
    if (ioctl(uffd_, UFFDIO_WRITEPROTECT, &request) == -1) die("UFFDIO_WRITEPROTECT");
  }

  void writeback(size_t offset) {
    uint64_t mask = diffWindow(alias_ + offset, media_ + offset, kWindowBytes);
    for (; mask != 0; mask &= mask - 1) {
      const size_t line = offset + static_cast<size_t>(std::countr_zero(mask)) * kLineSize;
      flushLine(flush_, reinterpret_cast<uintptr_t>(alias_) + line);
      if (runLength_ != 0 && runStart_ + runLength_ == line) {
        runLength_ += kLineSize;
      } else {
        flushRun();
        runStart_ = line;
        runLength_ = kLineSize;
      }
    }
  }

  void flushRun() {
    if (runLength_ == 0) return;
    const ssize_t written = pwrite(mediaFd_, alias_ + runStart_, runLength_, static_cast<off_t>(runStart_));
    if (written != static_cast<ssize_t>(runLength_)) die("pwrite");
    runLength_ = 0;
  }

  const Options options_;
  const int uffd_, mediaFd_;
  const FlushKind flush_ = detectFlush();
  const uint8_t *media_, *alias_;
  uint32_t* user_;
  size_t runStart_ = 0, runLength_ = 0;
};

/** Makes pages writable as stores ask for it, until the event. */
void serveFaults(int uffd, int stop) {
  for (;;) {
    pollfd polled[] = {{uffd, POLLIN, 0}, {stop, POLLIN, 0}};
    if (poll(polled, 2, -1) == -1 && errno != EINTR) die("poll");
    if ((polled[1].revents & POLLIN) != 0) return;
    uffd_msg message = {};
    if (read(uffd, &message, sizeof message) != sizeof message) continue;
    uffdio_writeprotect request = {{message.arg.pagefault.address & ~uint64_t{kPage - 1}, kPage}, 0};
    if (ioctl(uffd, UFFDIO_WRITEPROTECT, &request) == -1) die("UFFDIO_WRITEPROTECT");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const int media = open(options.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (media == -1 || ftruncate(media, static_cast<off_t>(options.size)) == -1) die(options.file);
  const int uffd = openUserfaultfd();
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop == -1) die("eventfd");
  Sync sync(options, uffd, media);
  std::thread server(serveFaults, uffd, stop);
  std::vector<uint64_t> taken;
  for (size_t turn = 0; turn < options.warm + options.turns; turn++) {
    sync.dirty(static_cast<uint32_t>(turn) + 1);
    usleep(kPauseUs);
    const uint64_t start = monotonicNs();
    sync.run();
    if (turn >= options.warm) taken.push_back(monotonicNs() - start);
  }
  if (eventfd_write(stop, 1) == -1) die("eventfd_write");
  server.join();
  std::nth_element(taken.begin(), taken.begin() + static_cast<ptrdiff_t>(taken.size() / 2), taken.end());
  printf("{\"nanoseconds\":%llu,\"hash\":%u}\n", static_cast<unsigned long long>(taken[taken.size() / 2]), sync.hash());
  return 0;
}
