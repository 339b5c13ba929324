/**
 * The yardstick of the fault benchmarks: a page fault handler in C++ without Node, doing the kernel work of one kind of
 * fault and nothing else.
 *
 * What it shares with lib/fault/uffd-page-table.ts, so that the difference is the price of everything above it:
 *   registered    a shared mapping of a memfd, MISSING | MINOR | WP, the same userfaultfd features
 *   one fault     poll on the userfaultfd and a stop event, one batched read, one resolving call that wakes
 *   read          COPY, protected, from a mapping of the media file (a real file)
 *   hole-read     COPY, protected, from a page of zeroes        write   the same, writable
 *   mkwrite       WRITEPROTECT off on a page a load has mapped  minor   CONTINUE, protected
 *   --unit B      resolves B bytes around the address (2097152: what a 2 MiB fault does) in that one call
 *   --group N     touches N pages in order, then the next N; --order random: scattered groups
 * What it leaves out: locks, tree, block map, dirty tags, counters, more than one mapping.
 *
 * Each of --threads touches --warm pages that are not measured and then --pages that are. It prints one line of JSON:
 * time from the first to the last of all threads, for each page. The hash is folded over the first word of each
 * measured page: both sides prove to have done the same work. Then come --timed pages, and the first touch of each
 * group is timed by itself: the clock costs, so they are no part of the measured ones.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "bench.h"
#include "c_handler_options.h"

using namespace faultline;

namespace {

constexpr size_t kBatch = 64;
constexpr long kPollNs = 250'000'000;

/** Resolves whatever comes, by the flags of the event. */
class Handler {
 public:
  Handler(int uffd, int stopEvent, uint64_t base, size_t unit, const void* media, const void* zeroes)
      : uffd_(uffd), stop_(stopEvent), base_(base), unit_(unit), media_(media), zeroes_(zeroes) {}

  void run() {
    uffd_msg messages[kBatch];
    for (;;) {
      const timespec timeout = {0, kPollNs};
      pollfd polled[] = {{uffd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (ppoll(polled, 2, &timeout, nullptr) == -1 && errno != EINTR) die("ppoll");
      if ((polled[1].revents & POLLIN) != 0) return;
      if ((polled[0].revents & POLLIN) == 0) continue;
      const ssize_t bytes = read(uffd_, messages, sizeof messages);
      if (bytes == -1 && errno != EAGAIN) die("read userfaultfd");
      for (ssize_t i = 0; i < bytes / static_cast<ssize_t>(sizeof(uffd_msg)); i++) resolve(messages[i].arg.pagefault);
    }
  }

 private:
  template <typename Pagefault>
  void resolve(const Pagefault& fault) {
    const uint64_t address = base_ + (fault.address - base_) / unit_ * unit_;
    const bool isWrite = (fault.flags & UFFD_PAGEFAULT_FLAG_WRITE) != 0;
    if ((fault.flags & UFFD_PAGEFAULT_FLAG_WP) != 0) {
      uffdio_writeprotect request = {{address, unit_}, 0};
      if (ioctl(uffd_, UFFDIO_WRITEPROTECT, &request) == -1) die("UFFDIO_WRITEPROTECT");
    } else if ((fault.flags & UFFD_PAGEFAULT_FLAG_MINOR) != 0) {
      uffdio_continue request = {{address, unit_}, isWrite ? 0 : kContinueModeWp, 0};
      if (ioctl(uffd_, UFFDIO_CONTINUE, &request) == -1) die("UFFDIO_CONTINUE");
    } else {
      const uint64_t source = media_ == nullptr ? reinterpret_cast<uint64_t>(zeroes_)
                                                : reinterpret_cast<uint64_t>(media_) + (address - base_);
      uffdio_copy request = {address, source, unit_, isWrite ? 0 : static_cast<uint64_t>(UFFDIO_COPY_MODE_WP), 0};
      if (ioctl(uffd_, UFFDIO_COPY, &request) == -1) die("UFFDIO_COPY");
    }
  }

  const int uffd_, stop_;
  const uint64_t base_;
  const size_t unit_;
  const void *const media_, *const zeroes_;
};

/** A prime above all numbers of groups: its multiples visit each once. */
constexpr size_t kScatter = 1'000'003;

/** First page of the i-th group of those in [first, end). */
size_t pageOf(const Options& options, size_t i, size_t first, size_t end) {
  return first + (options.random ? i * kScatter % ((end - first) / options.group) : i) * options.group;
}

/** Pages in order. Return: folded over the first word of each, when they are loaded. */
uint32_t touchPages(volatile uint32_t* words, size_t first, size_t end, bool stores, uint32_t hash = 0) {
  for (size_t page = first; page < end; page++) {
    volatile uint32_t* word = words + page * (kPage / sizeof(uint32_t));
    if (stores) *word = static_cast<uint32_t>(page) + 1;
    if (!stores) hash = (hash ^ *word) * 0x01000193U;
  }
  return hash;
}

uint32_t touch(const Options& options, volatile uint32_t* words, size_t first, size_t end) {
  uint32_t hash = 0;
  for (size_t i = 0; i < (end - first) / options.group; i++) {
    const size_t page = pageOf(options, i, first, end);
    hash = touchPages(words, page, page + options.group, options.stores(), hash);
  }
  return hash;
}

/** The cache as earlier faults would have left it: every page in the memfd, none in the page table. */
void fillCache(int cache, const void* media, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t bytes = pwrite(cache, static_cast<const char*>(media) + done, length - done, done);
    if (bytes <= 0) die("pwrite");
    done += static_cast<size_t>(bytes);
  }
}

void pin(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) == -1) die("sched_setaffinity");
}

struct Run {
  uint64_t start = 0, end = 0;
  uint32_t hash = 0;
  std::vector<uint64_t> latencies;
};

/** The pages of one thread: those that are not measured first, then all threads at once. */
Run touchOwn(const Options& options, volatile uint32_t* words, size_t thread, std::barrier<>& warm) {
  const size_t first = thread * options.perThread() + options.warm;
  touch(options, words, first - options.warm, first);
  warm.arrive_and_wait();
  Run run;
  const size_t measured = first + options.pages, end = measured + options.timed;
  run.start = monotonicNs();
  run.hash = touch(options, words, first, measured);
  run.end = monotonicNs();
  if (options.stores()) run.hash = touchPages(words, first, measured, false);
  warm.arrive_and_wait();
  for (size_t i = 0; i < options.timed / options.group; i++) {
    const size_t page = pageOf(options, i, measured, end);
    const uint64_t before = monotonicNs();
    touchPages(words, page, page + 1, options.stores());
    run.latencies.push_back(monotonicNs() - before);
  }
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  // Before any thread is made: they inherit it.
  if (options.cpu >= 0) pin(options.cpu);
  const size_t length = options.total() * kPage;

  const void* media = nullptr;
  if (options.hasData()) {
    const int file = open(options.file, O_RDONLY | O_CLOEXEC);
    if (file == -1) die(options.file);
    media = map(file, length, PROT_READ, MAP_SHARED);
  }
  const int cache = memfd_create("c_handler", MFD_CLOEXEC);
  if (cache == -1 || ftruncate(cache, static_cast<off_t>(length)) == -1) die("memfd");
  if (options.is("minor")) fillCache(cache, media, length);
  auto* words = static_cast<volatile uint32_t*>(map(cache, length, PROT_READ | PROT_WRITE, MAP_SHARED));
  const auto base = reinterpret_cast<uint64_t>(words);

  const int uffd = openUserfaultfd();
  registerMapping(uffd, reinterpret_cast<const void*>(base), length);
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop == -1) die("eventfd");
  const void* zeroes = map(-1, options.unit, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
  Handler handler(uffd, stop, base, options.unit, media, zeroes);
  std::thread thread([&handler] { handler.run(); });

  if (options.is("mkwrite")) touchPages(words, 0, options.total(), false);
  std::vector<Run> runs(options.threads);
  std::barrier warm(static_cast<ptrdiff_t>(options.threads));
  std::vector<std::thread> others;
  for (size_t i = 1; i < options.threads; i++) {
    others.emplace_back([&, i] { runs[i] = touchOwn(options, words, i, warm); });
  }
  runs[0] = touchOwn(options, words, 0, warm);
  for (std::thread& other : others) other.join();
  uint64_t start = runs[0].start, end = 0;
  uint32_t hash = 0;
  for (const Run& run : runs) {
    start = std::min(start, run.start);
    end = std::max(end, run.end);
    hash += run.hash;
  }

  if (eventfd_write(stop, 1) == -1) die("eventfd_write");
  thread.join();
  printf("{\"op\":\"%s\",\"pages\":%zu,\"nsPerFault\":%.1f,\"hash\":%u,\"latencies\":[", options.op, options.pages,
         static_cast<double>(end - start) / static_cast<double>(options.pages * options.threads), hash);
  const char* comma = "";
  for (const Run& run : runs) {
    for (const uint64_t nanoseconds : run.latencies) {
      printf("%s%llu", comma, static_cast<unsigned long long>(nanoseconds));
      comma = ",";
    }
  }
  puts("]}");
  return 0;
}
