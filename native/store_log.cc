#include "store_log.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "args.h"
#include "result.h"
#include "signal_guard.h"
#include "store_lock.h"
#include "sys_error.h"

namespace faultline {

namespace {

/** Memory that a restarted log keeps for the next records; what is above goes back to the host. */
constexpr size_t kKeptBytes = size_t{1} << 20;

StoreLog* logAt(Args& args, size_t index) {
  return reinterpret_cast<StoreLog*>(args.size(index));
}

void reportFull() {
  static constexpr char kText[] =
      "faultline: the store log is full; stores are not recorded from here on (drain more often, or mount with a "
      "larger storeLogSize)\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kText, sizeof kText - 1);
}

}  // namespace

int32_t StoreLog::threadOf(int32_t kernelId) const {
  for (size_t id = 1; id < kLogThreads; id++) {
    if (threads[id].load(std::memory_order_relaxed) == kernelId) return static_cast<int32_t>(id);
  }
  return 0;
}

void StoreLog::append(LogRecord record, const void* payload) {
  if (overflowed.load(std::memory_order_relaxed) != 0) return;
  const uint64_t at = used.load(std::memory_order_relaxed);
  const size_t size = sizeof record + ((record.payload + size_t{7}) & ~size_t{7});
  if (at + size > capacity) {
    overflowed.store(1, std::memory_order_release);
    reportFull();
    return;
  }
  record.size = static_cast<uint32_t>(size);
  memcpy(data() + at, &record, sizeof record);
  if (record.payload != 0) memcpy(data() + at + sizeof record, payload, record.payload);
  used.store(at + size, std::memory_order_release);
}

void StoreLog::appendStore(LogRecord record, const uint8_t* bytes, size_t length) {
  record.kind = kStoreRecord;
  auto at = static_cast<uint64_t>(record.offset);
  for (size_t done = 0, piece = 0; done < length; done += piece, at += piece) {
    piece = std::min(length - done, kLineSize - (at & (kLineSize - 1)));
    record.offset = static_cast<double>(at);
    record.length = static_cast<double>(piece);
    record.payload = static_cast<uint16_t>(piece);
    append(record, bytes + done);
  }
}

napi_value openStoreLog(napi_env env, napi_callback_info info) {
  Args args(env, info, "openStoreLog");
  const uint64_t capacity = args.size(0);
  if (!args.ok()) return nullptr;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = mmap(nullptr, capacity + StoreLog::kHeaderBytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) return throwSysError(env, errno, "mmap");
  static_cast<StoreLog*>(memory)->capacity = capacity;
  return addressToJs(env, memory);
}

napi_value closeStoreLog(napi_env env, napi_callback_info info) {
  Args args(env, info, "closeStoreLog");
  StoreLog* log = logAt(args, 0);
  if (!args.ok()) return nullptr;
  return undefinedOrThrow(env, munmap(log, log->capacity + StoreLog::kHeaderBytes), "munmap");
}

napi_value setStoreRecording(napi_env env, napi_callback_info info) {
  Args args(env, info, "setStoreRecording");
  StoreLog* log = logAt(args, 0);
  const bool on = args.boolean(1);
  if (!args.ok()) return nullptr;
  // Between two stores, never in the middle of one.
  StoreLock lock;
  if (on) {
    log->used.store(0);
    log->overflowed.store(0);
    memset(log->locations, 0, sizeof log->locations);
  }
  log->recording.store(on ? 1 : 0);
  return undefined(env);
}

napi_value nameStoreThread(napi_env env, napi_callback_info info) {
  Args args(env, info, "nameStoreThread");
  StoreLog* log = logAt(args, 0);
  const int thread = args.integer(1);
  const int kernelId = args.integer(2);
  if (args.ok() && thread >= static_cast<int>(kLogThreads)) args.failRange(1, "a thread number below 1025", thread);
  if (!args.ok()) return nullptr;
  StoreLock lock;
  for (auto& other : log->threads) {
    if (other.load() == kernelId) other.store(0);
  }
  log->threads[thread].store(kernelId);
  log->locations[thread] = 0;
  return undefined(env);
}

namespace {

/** thread, file, offset, length, location, nonTemporal */
constexpr size_t kFields = 6;

LogRecord recordOf(const double* field) {
  LogRecord record = {};
  record.thread = static_cast<int32_t>(field[0]);
  record.file = static_cast<uint32_t>(field[1]);
  record.offset = field[2];
  record.length = field[3];
  record.location = static_cast<uint32_t>(field[4]);
  record.nonTemporal = field[5] != 0;
  return record;
}

}  // namespace

/** thread 0 … 1024, or less than 0 for the kernel on behalf of a file; a thread's location is remembered for stores. */
napi_value appendStoreRecord(napi_env env, napi_callback_info info) {
  Args args(env, info, "appendStoreRecord");
  StoreLog* log = logAt(args, 0);
  const int kind = args.integer(1);
  const View<double> fields = args.float64s(2, kFields);
  const View<uint8_t> payload = args.uint8s(3, 0);
  if (args.ok() && payload.length > UINT16_MAX) args.failRange(3, "at most 65535 bytes", payload.length);
  if (!args.ok()) return nullptr;
  LogRecord record = recordOf(fields.data);
  record.kind = static_cast<uint8_t>(kind);
  record.payload = static_cast<uint16_t>(payload.length);
  StoreLock lock;
  log->append(record, payload.data);
  if (record.thread > 0 && record.thread < static_cast<int32_t>(kLogThreads)) {
    log->locations[record.thread] = record.location;
  }
  return undefined(env);
}

/** Stores that somebody made to the cache of a file; the bytes are at `address` now. Return: 0 or -EIO. */
napi_value appendStores(napi_env env, napi_callback_info info) {
  Args args(env, info, "appendStores");
  StoreLog* log = logAt(args, 0);
  const View<double> fields = args.float64s(1, kFields);
  const AddressRange from = args.range(2, 3);
  if (!args.ok()) return nullptr;
  StoreLock lock;
  LogRecord record = recordOf(fields.data);
  for (size_t done = 0, piece = 0; done < from.length; done += piece) {
    uint8_t bytes[kPageSize];
    piece = std::min(from.length - done, sizeof bytes);
    if (!guarded([&] { memcpy(bytes, reinterpret_cast<const void*>(from.start + done), piece); })) {
      return toJs(env, -EIO);
    }
    record.offset = fields.data[2] + static_cast<double>(done);
    log->appendStore(record, bytes, piece);
  }
  return toJs(env, 0);
}

/** Return: bytes of records that can be read; -ENOSPC when what came after them was lost. */
napi_value storeLogUsed(napi_env env, napi_callback_info info) {
  Args args(env, info, "storeLogUsed");
  StoreLog* log = logAt(args, 0);
  if (!args.ok()) return nullptr;
  if (log->overflowed.load(std::memory_order_acquire) != 0) return toJs(env, -ENOSPC);
  return toJs(env, static_cast<int64_t>(log->used.load(std::memory_order_acquire)));
}

/** Everything up to `read` has been read: begin anew, unless more has come. Return: did it. */
napi_value restartStoreLog(napi_env env, napi_callback_info info) {
  Args args(env, info, "restartStoreLog");
  StoreLog* log = logAt(args, 0);
  const uint64_t read = args.size(1);
  if (!args.ok()) return nullptr;
  StoreLock lock;
  const uint64_t used = log->used.load();
  if (used != read) return toJs(env, false);
  if (used > kKeptBytes) {
    const size_t kept = StoreLog::kHeaderBytes + kKeptBytes;
    const size_t dirty = (used - kKeptBytes + kPageSize - 1) & ~(kPageSize - 1);
    madvise(reinterpret_cast<uint8_t*>(log) + kept, dirty, MADV_DONTNEED);
  }
  log->used.store(0);
  return toJs(env, true);
}

}  // namespace faultline
