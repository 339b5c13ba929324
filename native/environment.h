#pragma once

#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "fault_port.h"

namespace faultline {

/**
 * What one JS environment (the main thread or a Worker) keeps in native memory. Touched by its own thread only; goes
 * with the environment. Everything that threads share (userfaultfds, mappings) belongs to the kernel state in JS.
 */
struct Environment {
  /** /proc/self/pagemap, opened at the first use. */
  int pagemap = -1;
  std::vector<std::unique_ptr<FaultPort>> faultPorts;

  ~Environment() {
    if (pagemap != -1) close(pagemap);
  }

  /** Return: the descriptor or -errno. */
  int openPagemap() {
    if (pagemap == -1) pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return pagemap == -1 ? -errno : pagemap;
  }

  static Environment* of(napi_env env) { return Napi::Env(env).GetInstanceData<Environment>(); }
};

}  // namespace faultline
