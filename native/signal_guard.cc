#include "signal_guard.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "args.h"
#include "result.h"
#include "tracer.h"

/** Addresses are the caller's, 0 like any other: the guard answers for it, so UBSan need not. */
#define FAULTLINE_ANY_ADDRESS __attribute__((no_sanitize("null")))

namespace faultline {

thread_local constinit GuardFrame* currentGuard = nullptr;

namespace {

/** Who was there before us: written once before our handlers are installed, read by them only. */
struct sigaction previousBus;
struct sigaction previousSegv;
/** Who came after us, while the tracer has us in front again. It may know us as the one to pass signals on to. */
struct sigaction laterSegv;
std::atomic<bool> inFront{false};
thread_local constinit bool passedOn [[gnu::tls_model("initial-exec")]] = false;

/** One line to stderr with nothing but write(2): the process is about to die of this, and should say where. */
void reportSigbus(uintptr_t address) {
  char line[] = "faultline: SIGBUS at 0x................: past the end of a mapped file, or poisoned memory\n";
  char* digit = strchr(line, '.');
  for (int shift = 60; shift >= 0; shift -= 4) *digit++ = "0123456789abcdef"[(address >> shift) & 15];
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
}

void pass(const struct sigaction& previous, int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  // Die of the fault itself: with the default action back, the access is repeated when we return and the core shows
  // it. A signal somebody sent has no access to repeat.
  struct sigaction dead = {};
  dead.sa_handler = SIG_DFL;
  sigaction(signal, &dead, nullptr);
  if (info->si_code <= 0) raise(signal);
}

void chain(int signal, siginfo_t* info, void* context) {
  if (signal == SIGSEGV && inFront && !passedOn) {
    passedOn = true;
    pass(laterSegv, signal, info, context);
    passedOn = false;
  } else {
    pass(signal == SIGBUS ? previousBus : previousSegv, signal, info, context);
  }
}

void onFault(int signal, siginfo_t* info, void* context) {
  const bool synchronous = info->si_code > 0;
  if (synchronous && !abandonStep(info, context) && signal == SIGSEGV && traceStore(info, context)) return;
  if (synchronous && currentGuard != nullptr) {
    currentGuard->failed = {signal, info->si_code, reinterpret_cast<uintptr_t>(info->si_addr)};
    siglongjmp(currentGuard->jump, 1);
  }
  const int saved = errno;
  // Another handler, such as that of a second copy of this addon, may know what to do about it.
  const bool dies = (previousBus.sa_flags & SA_SIGINFO) == 0 &&
                    (previousBus.sa_handler == SIG_DFL || previousBus.sa_handler == SIG_IGN);
  if (synchronous && signal == SIGBUS && dies) reportSigbus(reinterpret_cast<uintptr_t>(info->si_addr));
  chain(signal, info, context);
  errno = saved;
}

void setHandler(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

/** Bytes both sides can move without crossing a page: an access fails for all of them or for none. */
size_t pagePiece(uintptr_t destination, uintptr_t source, size_t left) {
  return std::min(left, std::min(toPageEnd(destination), toPageEnd(source)));
}

int64_t copiedOrFault(size_t done, size_t wanted) {
  return done == 0 && wanted != 0 ? -EFAULT : static_cast<int64_t>(done);
}

/** Upwards page by page, so that `done` is exact when an access fails. */
int64_t copyUpwards(AddressRange to, AddressRange from) {
  volatile size_t done = 0;
  guarded([&]() FAULTLINE_ANY_ADDRESS {
    while (done < to.length) {
      const size_t at = done;
      const size_t piece = pagePiece(to.start + at, from.start + at, to.length - at);
      auto* target = reinterpret_cast<volatile uint8_t*>(to.start + at);
      // memmove may begin anywhere in the piece; who watches the faults expects them at its first byte.
      *target = *reinterpret_cast<const volatile uint8_t*>(from.start + at);
      memmove(reinterpret_cast<void*>(to.start + at), reinterpret_cast<const void*>(from.start + at), piece);
      done = at + piece;
    }
  });
  return copiedOrFault(done, to.length);
}

}  // namespace

void installSignalGuard() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The previous handlers are read first: a fault in another thread may run ours before sigaction returns here.
    sigaction(SIGBUS, nullptr, &previousBus);
    sigaction(SIGSEGV, nullptr, &previousSegv);
    setHandler(SIGBUS);
    setHandler(SIGSEGV);
  });
}

void frontSignalGuard() {
  struct sigaction current = {};
  sigaction(SIGSEGV, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == onFault) return;
  laterSegv = current;
  inFront = true;
  setHandler(SIGSEGV);
}

void yieldSignalGuard() {
  struct sigaction current = {};
  sigaction(SIGSEGV, nullptr, &current);
  const bool ours = (current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == onFault;
  if (!inFront || !ours) return;
  sigaction(SIGSEGV, &laterSegv, nullptr);
  inFront = false;
}

/** An upward move onto itself cannot stop half-way with a meaningful count: it gives -EFAULT then. */
napi_value copyMemory(napi_env env, napi_callback_info info) {
  Args args(env, info, "copyMemory");
  const AddressRange to = args.range(0, 2);
  const AddressRange from = args.range(1, 2);
  if (!args.ok()) return nullptr;
  if (!to.overlaps(from) || to.start <= from.start) return toJs(env, copyUpwards(to, from));
  const bool moved = guarded([&] { memmove(to.data(), from.data(), to.length); });
  return toJs(env, moved ? static_cast<int64_t>(to.length) : int64_t{-EFAULT});
}

napi_value fillMemory(napi_env env, napi_callback_info info) {
  Args args(env, info, "fillMemory");
  const AddressRange to = args.range(0, 2);
  const int byte = args.integer(1);
  if (!args.ok()) return nullptr;
  volatile size_t done = 0;
  guarded([&] {
    while (done < to.length) {
      const size_t at = done;
      const size_t piece = std::min(to.length - at, toPageEnd(to.start + at));
      memset(reinterpret_cast<void*>(to.start + at), byte, piece);
      done = at + piece;
    }
  });
  return toJs(env, copiedOrFault(done, to.length));
}

/** The write is a locked OR of nothing: a single store access, and no store of another thread can be lost to it. */
napi_value touchPages(napi_env env, napi_callback_info info) {
  Args args(env, info, "touchPages");
  const AddressRange range = args.range(0, 1);
  const bool write = args.boolean(2);
  if (!args.ok()) return nullptr;
  const bool touched = guarded([&]() FAULTLINE_ANY_ADDRESS {
    for (uintptr_t at = range.start; at < range.end(); at += toPageEnd(at)) {
      auto* byte = reinterpret_cast<volatile uint8_t*>(at);
      if (write) {
        asm volatile("lock orb $0, %0" : "+m"(*byte) : : "cc");
      } else {
        [[maybe_unused]] const uint8_t seen = *byte;
      }
    }
  });
  return toJs(env, touched ? 0 : -EFAULT);
}

/** One access instruction a byte, in order: what a program's own loop over the mapping would do, fault by fault. */
napi_value accessBytes(napi_env env, napi_callback_info info) {
  Args args(env, info, "accessBytes");
  const AddressRange range = args.range(0, 1);
  const size_t step = args.size(2);
  const bool write = args.boolean(3);
  const size_t count = step == 0 ? 0 : (range.length + step - 1) / step;
  const View<uint8_t> bytes = args.uint8s(4, count);
  const View<double> failure = args.float64s(5, 3);
  if (!args.ok()) return nullptr;
  volatile size_t done = 0;
  FailedAccess failed = {};
  guarded(
      [&]() FAULTLINE_ANY_ADDRESS {
        for (size_t i = 0; i < count; i++) {
          auto* byte = reinterpret_cast<volatile uint8_t*>(range.start + i * step);
          if (write) {
            *byte = bytes.data[i];
          } else {
            bytes.data[i] = *byte;
          }
          done = i + 1;
        }
      },
      &failed);
  failure.data[0] = failed.signal;
  failure.data[1] = failed.code;
  failure.data[2] = static_cast<double>(failed.address);
  return toJs(env, static_cast<int64_t>(done));
}

}  // namespace faultline
