#pragma once

#include <napi.h>
#include <setjmp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "address_range.h"

namespace faultline {

/** What the signal said about the access that failed (siginfo_t). */
struct FailedAccess {
  int signal;
  int code;
  uintptr_t address;
};

/** Where a thread goes on when an access in its guarded body fails. Lives on that thread's stack. */
struct GuardFrame {
  sigjmp_buf jump;
  GuardFrame* outer;
  FailedAccess failed;
};

/**
 * The innermost guard of this thread, or nullptr. initial-exec: the handler must not be the first to touch it, which
 * in a dlopened library would allocate the thread's copy inside a signal handler.
 */
extern thread_local constinit GuardFrame* currentGuard [[gnu::tls_model("initial-exec")]];

/**
 * Put our SIGBUS and SIGSEGV handlers in front of the process's, once for the whole process.
 * Context: any thread, any number of times.
 */
void installSignalGuard();

/** Back in front of whoever has put a SIGSEGV handler of its own since; and out of its way again. */
void frontSignalGuard();
void yieldSignalGuard();

/**
 * Run `body`; a SIGBUS or SIGSEGV in it abandons it where it is.
 *
 * The body must own nothing with a destructor, take no lock, and call nothing that does: siglongjmp skips both. What
 * it leaves for its caller after a failure must be volatile.
 * Context: any thread; guards nest. Return: false when the body was abandoned; `failed` then says by what.
 */
template <typename Body>
[[gnu::noinline]] bool guarded(const Body& body, FailedAccess* failed = nullptr) {
  GuardFrame frame;
  frame.outer = currentGuard;
  // The mask is not saved: the handler runs with SA_NODEFER and an empty mask, so there is nothing to restore, and a
  // guard costs no system call.
  if (sigsetjmp(frame.jump, 0) != 0) {
    currentGuard = frame.outer;
    if (failed != nullptr) *failed = frame.failed;
    return false;
  }
  currentGuard = &frame;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  body();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  currentGuard = frame.outer;
  return true;
}

napi_value copyMemory(napi_env env, napi_callback_info info);
napi_value fillMemory(napi_env env, napi_callback_info info);
napi_value touchPages(napi_env env, napi_callback_info info);
napi_value accessBytes(napi_env env, napi_callback_info info);

}  // namespace faultline
