#include "tracer_signals.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "args.h"
#include "result.h"
#include "signal_guard.h"
#include "store_lock.h"
#include "store_ranges.h"
#include "tracer.h"
#include "vector_state.h"

namespace faultline {

namespace {

struct sigaction previousTrap;
std::mutex startMutex;
int starts = 0;

void chainTrap(int signal, siginfo_t* info, void* context) {
  if ((previousTrap.sa_flags & SA_SIGINFO) != 0) {
    previousTrap.sa_sigaction(signal, info, context);
  } else if (previousTrap.sa_handler != SIG_DFL && previousTrap.sa_handler != SIG_IGN) {
    previousTrap.sa_handler(signal);
  } else if (previousTrap.sa_handler == SIG_DFL) {
    struct sigaction dead = {};
    dead.sa_handler = SIG_DFL;
    sigaction(signal, &dead, nullptr);
    // The instruction that trapped is behind us: it will not do so again.
    raise(signal);
  }
}

void onTrap(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  if (!finishStep(context)) chainTrap(signal, info, context);
  errno = saved;
}

bool isOurs(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == onTrap;
}

}  // namespace

void keepTrapHandler() {
  struct sigaction current = {};
  sigaction(SIGTRAP, nullptr, &current);
  if (isOurs(current)) return;
  previousTrap = current;
  struct sigaction action = {};
  action.sa_sigaction = onTrap;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTRAP, &action, nullptr);
}

void reportUnknownStore(const uint8_t* instruction) {
  char line[] =
      "faultline: traced mode does not know the store instruction .............................., and lets the process "
      "die of it; mount with stores: 'diff'\n";
  char* digit = strchr(line, '.');
  for (int i = 0; i < 15; i++) {
    *digit++ = "0123456789abcdef"[instruction[i] >> 4];
    *digit++ = "0123456789abcdef"[instruction[i] & 15];
  }
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
}

/** Once for each traced mount; the handler goes with the last. */
napi_value startTracer(napi_env env, napi_callback_info) {
  std::lock_guard guard(startMutex);
  if (starts++ == 0) {
    learnVectorLayout();
    keepTrapHandler();
  }
  frontSignalGuard();
  return undefined(env);
}

napi_value stopTracer(napi_env env, napi_callback_info) {
  std::lock_guard guard(startMutex);
  if (--starts > 0) return undefined(env);
  struct sigaction current = {};
  sigaction(SIGTRAP, nullptr, &current);
  if (isOurs(current)) sigaction(SIGTRAP, &previousTrap, nullptr);
  yieldSignalGuard();
  return undefined(env);
}

/** With log 0 the range is traced no more. Return: 0 or -ENOMEM. */
napi_value setTracedRange(napi_env env, napi_callback_info info) {
  Args args(env, info, "setTracedRange");
  const AddressRange range = args.range(0, 1);
  auto* log = reinterpret_cast<StoreLog*>(args.size(2));
  const int file = args.integer(3);
  const uint64_t offset = args.size(4);
  if (args.ok() && (!isTraced(range.start) || range.end() > kTracedEnd)) {
    args.failRange(0, "an address in 48 to 64 TiB", static_cast<double>(range.start));
  }
  if (!args.ok()) return nullptr;
  StoreLock lock;
  return toJs(env, setTraced({range.start, range.end(), log, offset, static_cast<uint32_t>(file)}));
}

/**
 * memmove to traced memory, through the store view: one record a line, and no signal. Bytes as far as they could be
 * stored, in ascending order of lines. Return: bytes stored; -EFAULT when not even the first line was.
 */
napi_value storeBytes(napi_env env, napi_callback_info info) {
  Args args(env, info, "storeBytes");
  const AddressRange to = args.range(0, 2);
  const AddressRange from = args.range(1, 2);
  const bool nonTemporal = args.boolean(3);
  if (args.ok() && (!isTraced(to.start) || to.end() > kTracedEnd)) {
    args.failRange(0, "an address in 48 to 64 TiB", static_cast<double>(to.start));
  }
  if (!args.ok()) return nullptr;
  StoreLock lock;
  size_t done = 0;
  while (done < to.length) {
    const uintptr_t at = to.start + done;
    const size_t piece = std::min(to.length - done, kLineSize - (at & (kLineSize - 1)));
    uint8_t bytes[kLineSize];
    const bool stored = guarded([&] {
      memcpy(bytes, reinterpret_cast<const void*>(from.start + done), piece);
      memcpy(reinterpret_cast<void*>(at + kStoreViewDistance), bytes, piece);
    });
    if (!stored) break;
    recordStore(at, bytes, piece, nonTemporal);
    done += piece;
  }
  return toJs(env, done == 0 && to.length != 0 ? int64_t{-EFAULT} : static_cast<int64_t>(done));
}

}  // namespace faultline
