#pragma once

#include <napi.h>

#include <cstdint>

/**
 * One lock for the whole process, held over each traced store: from before it is made until it is recorded. So stores
 * of all threads have one order, and the bytes read back are those that were stored.
 *
 * A futex, because signal handlers take it. The holder may be asleep in a page fault; the threads that serve faults
 * store to no traced memory and never ask for it. In the order of locks it comes after everything a system call holds
 * while it touches its caller's memory, and before everything a fault takes.
 *
 * A holder that is terminated inside a system call of ours cannot give it back: who waits looks now and then whether
 * it still lives.
 */
namespace faultline {

/** Context: async-signal-safe; nests; may sleep. */
void lockStores();
void unlockStores();

class StoreLock {
 public:
  StoreLock() { lockStores(); }
  ~StoreLock() { unlockStores(); }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
};

/** Kernel id of the calling thread. */
int32_t currentThread();

napi_value holdStores(napi_env env, napi_callback_info info);
napi_value releaseStores(napi_env env, napi_callback_info info);
/** Release it however often this thread holds it: what held it was ended and will not. */
napi_value dropStores(napi_env env, napi_callback_info info);

}  // namespace faultline
