#include "store_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "result.h"

namespace faultline {

namespace {

constexpr uint32_t kWaiters = uint32_t{1} << 31;
constexpr timespec kLookUp = {0, 250'000'000};

/** 0, or the holder's thread id, with a bit that says that someone sleeps. */
std::atomic<uint32_t> word{0};

thread_local constinit uint32_t depth [[gnu::tls_model("initial-exec")]] = 0;
thread_local constinit int32_t self [[gnu::tls_model("initial-exec")]] = 0;

bool isGone(uint32_t thread) {
  return syscall(SYS_tgkill, getpid(), thread, 0) == -1 && errno == ESRCH;
}

void sleepOn(uint32_t seen) {
  const bool late =
      syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &kLookUp, nullptr, 0) == -1 && errno == ETIMEDOUT;
  if (late && isGone(seen & ~kWaiters)) word.compare_exchange_strong(seen, 0);
}

}  // namespace

int32_t currentThread() {
  if (self == 0) self = static_cast<int32_t>(syscall(SYS_gettid));
  return self;
}

void lockStores() {
  if (depth++ > 0) return;
  const auto mine = static_cast<uint32_t>(currentThread());
  uint32_t seen = 0;
  if (word.compare_exchange_strong(seen, mine)) return;
  const int saved = errno;
  for (int spin = 0; spin < 200; spin++) {
    __builtin_ia32_pause();
    seen = 0;
    if (word.compare_exchange_weak(seen, mine)) {
      errno = saved;
      return;
    }
  }
  // Who has slept once cannot know whether others sleep too: it takes the lock with the bit set.
  for (;;) {
    seen = 0;
    if (word.compare_exchange_strong(seen, mine | kWaiters)) break;
    if ((seen & kWaiters) == 0 && !word.compare_exchange_strong(seen, seen | kWaiters)) continue;
    sleepOn(seen | kWaiters);
  }
  errno = saved;
}

void unlockStores() {
  if (--depth > 0) return;
  if ((word.exchange(0) & kWaiters) != 0) syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

napi_value holdStores(napi_env env, napi_callback_info) {
  lockStores();
  return undefined(env);
}

napi_value releaseStores(napi_env env, napi_callback_info) {
  unlockStores();
  return undefined(env);
}

napi_value dropStores(napi_env env, napi_callback_info) {
  if (depth > 0) {
    depth = 1;
    unlockStores();
  }
  return undefined(env);
}

}  // namespace faultline
