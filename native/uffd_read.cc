#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "fault_record.h"
#include "result.h"
#include "sys_error.h"
#include "uffd.h"
#include "uffd_read.h"

namespace faultline {

namespace {

uint64_t monotonicNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

constexpr int kTimedOut = 0;

/** One read. Return: faults put, 0 when there are none or only other events came, or -errno. */
int readBatch(int uffd, const FaultRecords& records) {
  uffd_msg messages[kFaultBatch];
  const ssize_t bytes = read(uffd, messages, records.capacity() * sizeof(uffd_msg));
  if (bytes < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  size_t faults = 0;
  for (size_t i = 0; i < static_cast<size_t>(bytes) / sizeof(uffd_msg); i++) {
    if (messages[i].event == UFFD_EVENT_PAGEFAULT) records.put(faults++, messages[i]);
  }
  return static_cast<int>(faults);
}

/**
 * Look for the next fault without sleeping: a sleeping handler on another CPU takes 40 µs to come round, a running one
 * two. The CPU is offered to others at each turn, since the thread that will fault next may need this one; on one CPU
 * that is the whole hand-over, and cheaper than a sleep. Return: as readBatch.
 */
int spinForFaults(int uffd, const FaultRecords& records, uint64_t untilNs) {
  for (;;) {
    const int faults = readBatch(uffd, records);
    if (faults != 0 || monotonicNs() >= untilNs) return faults;
    sched_yield();
  }
}

/**
 * Sleep and read until there is something to report. The stop event is looked at before the faults: whoever signals
 * it wants the worker, however many faults keep coming. Return: faults, kTimedOut, kFaultsStopped, or -errno - 1.
 */
int waitForFaults(int uffd, int stopEvent, const FaultRecords& records, uint64_t deadline) {
  for (;;) {
    const uint64_t now = monotonicNs();
    const uint64_t left = deadline > now ? deadline - now : 0;
    const timespec timeout = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    pollfd polled[] = {{uffd, POLLIN, 0}, {stopEvent, POLLIN, 0}};
    const int ready = ppoll(polled, 2, &timeout, nullptr);
    if (ready == -1 && errno != EINTR) return -errno - 1;
    if (ready > 0) {
      if ((polled[1].revents & POLLIN) != 0) return kFaultsStopped;
      if (((polled[0].revents | polled[1].revents) & (POLLNVAL | POLLERR | POLLHUP)) != 0) return -EBADF - 1;
      const int faults = readBatch(uffd, records);
      if (faults > 0) return faults;
      if (faults < 0) return faults - 1;
    }
    if (left == 0) return kTimedOut;
  }
}

}  // namespace

int waitAndRead(int uffd, int stopEvent, const FaultRecords& records, double spinUs, double timeoutMs) {
  const uint64_t entered = monotonicNs();
  int result = 0;
  if (spinUs > 0) {
    result = spinForFaults(uffd, records, entered + static_cast<uint64_t>(spinUs * 1e3));
    if (result < 0) result--;
  }
  if (result == 0) {
    result = waitForFaults(uffd, stopEvent, records, entered + static_cast<uint64_t>(timeoutMs * 1e6));
  }
  records.time(entered, monotonicNs());
  return result;
}

int readAhead(int uffd, const FaultRecords& records) {
  const int faults = readBatch(uffd, records);
  if (faults <= 0) return 0;
  const uint64_t now = monotonicNs();
  records.time(now, now);
  return faults;
}

napi_value readFaults(napi_env env, napi_callback_info info) {
  Args args(env, info, "readFaults");
  const int uffd = args.integer(0);
  const int stopEvent = args.integer(1);
  const View<double> values = args.float64s(2, kRecordFirst + kRecordSize);
  const double spinUs = args.number(3, 0, kSpinUsMax, "microseconds from 0 to 1000");
  const double timeoutMs = args.milliseconds(4);
  if (!args.ok()) return nullptr;
  const int faults = waitAndRead(uffd, stopEvent, {values.data, values.length}, spinUs, timeoutMs);
  if (faults < kFaultsStopped) return throwSysError(env, -(faults + 1), "read userfaultfd");
  return toJs(env, faults);
}

}  // namespace faultline
