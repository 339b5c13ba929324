#include "held_memory.h"

#include "args.h"
#include "result.h"

namespace faultline {

/**
 * What a JS object keeps alive that the collector does not count. V8 counts shared memory as nothing, for it would
 * count it once in every thread; then a thread that allocates little never collects, and holds the memory of others for
 * ever.
 */
napi_value countAsHeld(napi_env env, napi_callback_info info) {
  Args args(env, info, "countAsHeld");
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.raw(0), &type);
  if (type != napi_object) {
    args.failType(0, "an object");
    return nullptr;
  }
  const uint64_t bytes = args.size(1);
  if (!args.ok()) return nullptr;
  const auto release = [](napi_env env, void* bytes, void*) {
    int64_t total = 0;
    napi_adjust_external_memory(env, -static_cast<int64_t>(reinterpret_cast<uintptr_t>(bytes)), &total);
  };
  // The number itself is the finalizer's data: there is nothing to free.
  if (napi_add_finalizer(env, args.raw(0), reinterpret_cast<void*>(bytes), release, nullptr, nullptr) != napi_ok) {
    return undefined(env);
  }
  int64_t total = 0;
  napi_adjust_external_memory(env, static_cast<int64_t>(bytes), &total);
  return undefined(env);
}

}  // namespace faultline
