#pragma once

#include <napi.h>

#include <cstddef>

/**
 * The way of a fault worker: its two calls, without arguments, through a mailbox of doubles it shares with JS.
 *
 * A call with five numbers spends more on taking them out of JS values than on a system call's entry. And the call that
 * answers the last fault of a batch may read the next ones: on one CPU, and with several faulting threads, they are
 * there already, and a call is saved for each fault.
 *
 *   [0]  microseconds to spin             read
 *   [1]  milliseconds to sleep at most    read
 *   [2]  half to read faults into         read, resolve: 0, 1, or -1 for none
 *   [3]  kPortCopy, kPortContinue, kPortUnprotect
 *   [4]  address of the page              resolve
 *   [5]  address of its bytes             resolve, to copy
 *   [6]  kResolveWp or 0                  resolve, to map
 *   [7]  faults read by resolve           out
 *   [8]  records of a batch, as fault_record.h draws them, for half 0; those for half 1 follow
 */
namespace faultline {

inline constexpr size_t kPortSpin = 0;
inline constexpr size_t kPortTimeout = 1;
inline constexpr size_t kPortHalf = 2;
inline constexpr size_t kPortOperation = 3;
inline constexpr size_t kPortAddress = 4;
inline constexpr size_t kPortSource = 5;
inline constexpr size_t kPortMode = 6;
inline constexpr size_t kPortAhead = 7;
inline constexpr size_t kPortRecords = 8;

inline constexpr int kPortCopy = 0;
inline constexpr int kPortContinue = 1;
inline constexpr int kPortUnprotect = 2;

/** What a port is bound to. half: doubles of the mailbox for the records of one batch. */
struct FaultPort {
  int uffd;
  int stopEvent;
  double* box;
  size_t half;
};

napi_value createFaultPort(napi_env env, napi_callback_info info);

}  // namespace faultline
