#pragma once

#include <napi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

/**
 * The log of a traced mount: what was stored, flushed and fenced, in one order.
 *
 * Anonymous memory, reserved at mount and committed by use: a header, then records that follow each other. Only who
 * holds the store lock (store_lock.h) appends, so the order of the records is the order of the stores. The reader
 * needs no lock: it reads up to `used`, and when it has read everything the log begins anew.
 */
namespace faultline {

inline constexpr size_t kLogThreads = 1025;

/** One record, followed by `payload` bytes, padded to a multiple of 8. Read by lib/persist/store-log-reader.ts. */
struct LogRecord {
  uint32_t size;
  uint8_t kind;
  uint8_t nonTemporal;
  uint16_t payload;
  int32_t thread;
  uint32_t file;
  double offset;
  double length;
  uint32_t location;
  uint32_t reserved;
};

static_assert(sizeof(LogRecord) == 40);

/** LogRecord::kind of a store; the others are the business of JS. */
inline constexpr uint8_t kStoreRecord = 1;

struct StoreLog {
  std::atomic<uint64_t> used;
  uint64_t capacity;
  /** 0: stores are executed and not recorded. */
  std::atomic<uint32_t> recording;
  /** It was full, and a record was lost: nothing is recorded any more. */
  std::atomic<uint32_t> overflowed;
  /** Kernel thread of each thread of the mount, by its number. */
  std::atomic<int32_t> threads[kLogThreads];
  /** Where each thread made its last recorded call. */
  uint32_t locations[kLogThreads];

  uint8_t* data() { return reinterpret_cast<uint8_t*>(this) + kHeaderBytes; }
  /** The mount's number of a kernel thread; 0 when it is not attached. */
  int32_t threadOf(int32_t kernelId) const;
  /** Context: store lock held; async-signal-safe. Loses nothing silently: a full log says so on stderr and is marked.
   */
  void append(LogRecord record, const void* payload);
  /** Stores of bytes from record.offset on, in pieces that stay inside a line. Context: as append. */
  void appendStore(LogRecord record, const uint8_t* bytes, size_t length);

  static constexpr size_t kHeaderBytes = 12288;
};

static_assert(sizeof(StoreLog) <= StoreLog::kHeaderBytes);

napi_value openStoreLog(napi_env env, napi_callback_info info);
napi_value closeStoreLog(napi_env env, napi_callback_info info);
napi_value setStoreRecording(napi_env env, napi_callback_info info);
napi_value nameStoreThread(napi_env env, napi_callback_info info);
napi_value appendStoreRecord(napi_env env, napi_callback_info info);
napi_value appendStores(napi_env env, napi_callback_info info);
napi_value storeLogUsed(napi_env env, napi_callback_info info);
napi_value restartStoreLog(napi_env env, napi_callback_info info);

}  // namespace faultline
