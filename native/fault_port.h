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
 * Held wake-ups. On one CPU a thread that is woken takes the CPU from the worker at once, faults again and gives it
 * back: two switches a fault, however many wait. So the answers of a batch can hold the wake-ups of who waits for them
 * and give them all with the last one, as one range: whoever waits for a page in it that is not answered yet looks
 * again, in vain and harmlessly. Who is not woken yet is like one whose fault is not answered: the worker waits for
 * nothing a faulting thread can hold. kPortWake gives them without an answer, before the worker serves those faults of
 * the batch that have to wait for others.
 *
 *   [0]  microseconds to spin             read
 *   [1]  milliseconds to sleep at most    read
 *   [2]  half to read faults into         read, resolve: 0, 1, or -1 for none
 *   [3]  kPortCopy, kPortContinue, kPortUnprotect, kPortWake
 *   [4]  address of the page              resolve
 *   [5]  address of its bytes             resolve, to copy
 *   [6]  kResolveWp or 0                  resolve, to map
 *   [7]  faults read by resolve           out
 *   [8]  0, or 1 to hold the wake-up      resolve
 *   [9]  records of a batch, as fault_record.h draws them, for half 0; those for half 1 follow
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
inline constexpr size_t kPortHold = 8;
inline constexpr size_t kPortRecords = 9;

inline constexpr int kPortCopy = 0;
inline constexpr int kPortContinue = 1;
inline constexpr int kPortUnprotect = 2;
inline constexpr int kPortWake = 3;

/** What a port is bound to. half: doubles of the mailbox for the records of one batch. */
struct FaultPort {
  int uffd;
  int stopEvent;
  double* box;
  size_t half;
  /** What held wake-ups are for; empty: none. */
  uintptr_t heldStart = 0;
  uintptr_t heldEnd = 0;
};

napi_value createFaultPort(napi_env env, napi_callback_info info);

}  // namespace faultline
