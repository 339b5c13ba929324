#pragma once

#include <napi.h>
#include <unistd.h>

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

  static Environment* of(napi_env env) { return Napi::Env(env).GetInstanceData<Environment>(); }
};

}  // namespace faultline
