/**
 * The yardstick of `faultline bench tree`: lib/bench/tree/measure.ts with the tree of c_tree.h.
 *
 * It prints one line of JSON: nanoseconds of the operation in the quickest repetition, and a hash of
 * what was found.
 */
#include <algorithm>
#include <vector>

#include "bench.h"
#include "c_tree.h"

using namespace faultline;

namespace {

constexpr uint32_t kScatter = 0x9e3779b1U;
constexpr uint32_t kTaggedEvery = 8;

struct Options {
  const char* op = "load";
  bool random = false;
  uint32_t entries = 1 << 16, repeat = 5;

  bool is(const char* name) const { return strcmp(op, name) == 0; }
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[i]);
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--op") == 0) {
      options.op = value;
    } else if (strcmp(argv[i], "--order") == 0) {
      options.random = strcmp(value, "random") == 0;
    } else if (strcmp(argv[i], "--entries") == 0) {
      options.entries = static_cast<uint32_t>(number("--entries", value));
    } else if (strcmp(argv[i], "--repeat") == 0) {
      options.repeat = static_cast<uint32_t>(number("--repeat", value));
    } else {
      usage(argv[i]);
    }
  }
  if (options.repeat == 0 || !std::has_single_bit(options.entries)) usage("--entries must be a power of two");
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const uint32_t entries = options.entries, mask = entries - 1;
  const uint32_t nodes = entries / 32 + 16;
  std::vector<uint32_t> words(static_cast<size_t>(nodes + 1) * TwinTree::kNodeWords);
  TwinTree tree(words.data(), nodes);
  std::vector<uint64_t> taken;
  uint32_t hash = 0;
  const auto page = [&](uint32_t i) { return options.random ? (i * kScatter) & mask : i; };
  for (uint32_t turn = 0; turn < options.repeat; turn++) {
    hash = 0;
    tree.initialise();
    uint64_t start = monotonicNs();
    for (uint32_t i = 0; i < entries; i++) tree.store(page(i), (page(i) + 1) << 4);
    const uint64_t inserted = monotonicNs() - start;
    start = monotonicNs();
    for (uint32_t i = 0; i < entries; i++) hash = fold(hash, tree.load(page(i)));
    const uint64_t loaded = monotonicNs() - start;
    start = monotonicNs();
    for (uint32_t i = 0; i < entries; i += kTaggedEvery) tree.setMark(page(i), 0);
    const uint64_t tagged = (monotonicNs() - start) * kTaggedEvery;
    start = monotonicNs();
    uint32_t found = 0;
    for (uint32_t from = 0; tree.nextMarked(from, mask, 0, &found); from = found + 1) hash = fold(hash, found);
    const uint64_t scanned = (monotonicNs() - start) * kTaggedEvery;
    taken.push_back(options.is("insert")   ? inserted
                    : options.is("lookup") ? loaded
                    : options.is("tag")    ? tagged
                                           : scanned);
  }
  const uint64_t best = *std::min_element(taken.begin(), taken.end());
  printf("{\"nanoseconds\":%.3f,\"hash\":%u}\n", static_cast<double>(best) / entries, hash);
  return 0;
}
