#pragma once

#include <cstddef>
#include <cstring>

#include "bench.h"

/** What native/bench/c_handler.cc is asked to do; it says what the options mean. */
namespace faultline {

struct Options {
  const char* op = "read";
  const char* file = nullptr;
  size_t pages = 16384;
  size_t warm = 0;
  size_t timed = 0;
  /** Bytes resolved for each fault. */
  size_t unit = kPage;
  size_t group = 1;
  bool random = false;
  size_t threads = 1;
  int cpu = -1;

  bool is(const char* name) const { return strcmp(op, name) == 0; }
  bool stores() const { return is("write") || is("mkwrite"); }
  bool hasData() const { return is("read") || is("mkwrite") || is("minor"); }
  size_t perThread() const { return warm + pages + timed; }
  size_t total() const { return threads * perThread(); }
};

inline Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[i]);
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--op") == 0) {
      options.op = value;
    } else if (strcmp(argv[i], "--file") == 0) {
      options.file = value;
    } else if (strcmp(argv[i], "--pages") == 0) {
      options.pages = number(argv[i], value);
    } else if (strcmp(argv[i], "--warm") == 0) {
      options.warm = number(argv[i], value);
    } else if (strcmp(argv[i], "--timed") == 0) {
      options.timed = number(argv[i], value);
    } else if (strcmp(argv[i], "--unit") == 0) {
      options.unit = number(argv[i], value);
    } else if (strcmp(argv[i], "--group") == 0) {
      options.group = number(argv[i], value);
    } else if (strcmp(argv[i], "--order") == 0) {
      options.random = strcmp(value, "random") == 0;
    } else if (strcmp(argv[i], "--threads") == 0) {
      options.threads = number(argv[i], value);
    } else if (strcmp(argv[i], "--cpu") == 0) {
      options.cpu = static_cast<int>(number(argv[i], value));
    } else {
      usage(argv[i]);
    }
  }
  const size_t unitPages = options.unit / kPage;
  if (options.threads == 0) usage("--threads must be at least 1");
  if (options.pages == 0 || unitPages == 0 || options.total() % unitPages != 0) usage("--pages: units, at least 1");
  if (options.group == 0 || (options.pages | options.warm | options.timed) % options.group != 0)
    usage("--pages: groups");
  if (!options.hasData() && !options.is("hole-read") && !options.is("write")) usage("--op is none of those");
  if (options.hasData() && options.file == nullptr) usage("this --op needs a --file with data");
  return options;
}

}  // namespace faultline
