#include "cpu.h"

#include <cpuid.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "result.h"
#include "sys_error.h"

namespace faultline {

namespace {

CpuFeatures detect() {
  CpuFeatures found{detectFlush(), false, 0};
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) {
    constexpr unsigned kSse2 = 1u << 26;
    found.nonTemporalStores = (d & kSse2) != 0;
    if (found.flush != FlushKind::kNone) found.cacheLineSize = ((b >> 8) & 0xff) * 8;
  }
  return found;
}

const char* flushName(FlushKind kind) {
  switch (kind) {
    case FlushKind::kClwb:
      return "clwb";
    case FlushKind::kClflushopt:
      return "clflushopt";
    case FlushKind::kClflush:
      return "clflush";
    case FlushKind::kNone:
      break;
  }
  return "none";
}

}  // namespace

const CpuFeatures& cpuFeatures() {
  static const CpuFeatures features = detect();
  return features;
}

napi_value cpuInfo(napi_env env, napi_callback_info) {
  const CpuFeatures& features = cpuFeatures();
  JsObject result(env);
  result.set("flush", flushName(features.flush));
  result.set("nonTemporalStores", features.nonTemporalStores);
  result.set("cacheLineSize", static_cast<double>(features.cacheLineSize));
  return result;
}

napi_value threadId(napi_env env, napi_callback_info) {
  return toJs(env, gettid());
}

napi_value setAffinity(napi_env env, napi_callback_info info) {
  Args args(env, info, "setAffinity");
  uint32_t count = 0;
  if (!args.ok()) return nullptr;
  if (napi_get_array_length(env, args.raw(0), &count) != napi_ok) {
    args.failType(0, "an array of CPU numbers");
    return nullptr;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    double cpu = -1;
    if (napi_get_element(env, args.raw(0), i, &element) != napi_ok) return nullptr;
    napi_get_value_double(env, element, &cpu);
    if (!(cpu >= 0 && cpu < CPU_SETSIZE) || cpu != static_cast<int>(cpu)) {
      args.failRange(0, "an array of CPU numbers from 0 to 1023", cpu);
      return nullptr;
    }
    CPU_SET(static_cast<int>(cpu), &set);
  }
  const int thread = args.integer(1);
  if (!args.ok()) return nullptr;
  return undefinedOrThrow(env, sched_setaffinity(thread, sizeof set, &set), "sched_setaffinity");
}

napi_value getAffinity(napi_env env, napi_callback_info info) {
  Args args(env, info, "getAffinity");
  const int thread = args.integer(0);
  if (!args.ok()) return nullptr;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(thread, sizeof set, &set) == -1) return throwSysError(env, errno, "sched_getaffinity");
  JsArray result(env);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, &set)) result.push(toJs(env, cpu));
  }
  return result;
}

}  // namespace faultline
