#include <napi.h>

#include "cached_pages.h"
#include "cacheline.h"
#include "constants.h"
#include "cpu.h"
#include "environment.h"
#include "fault_port.h"
#include "held_memory.h"
#include "host_file.h"
#include "mapping.h"
#include "signal_guard.h"
#include "store_lock.h"
#include "store_log.h"
#include "thread_end.h"
#include "tracer.h"
#include "uffd.h"
#include "uffd_resolve.h"
#include "written_pages.h"

/**
 * The addon: mechanism only, typed for JS in lib/binding/addon.ts. No threads, no queues, no policy.
 *
 * It is loaded once in every environment (main thread, Workers) that uses it. What an environment owns is in
 * Environment; the signal handlers, the tracer's lock and ranges, and what has to be undone when a thread ends without
 * a word (thread_end.cc), are the only things of the process.
 */
namespace faultline {

namespace {

struct Function {
  const char* name;
  napi_callback callback;
};

#define FUNCTION(name) \
  {                    \
#name, name        \
  }

constexpr Function kFunctions[] = {
    FUNCTION(cpuInfo),
    FUNCTION(threadId),
    FUNCTION(setAffinity),
    FUNCTION(getAffinity),

    FUNCTION(userfaultfdFeatures),
    FUNCTION(probeUserfaultfd),
    FUNCTION(openUserfaultfd),
    FUNCTION(openAsyncUserfaultfd),
    FUNCTION(registerRange),
    FUNCTION(unregisterRange),
    FUNCTION(createEvent),
    FUNCTION(signalEvent),
    FUNCTION(clearEvent),
    FUNCTION(readFaults),
    FUNCTION(createFaultPort),

    FUNCTION(resolveCopy),
    FUNCTION(resolveContinue),
    FUNCTION(resolvePoison),
    FUNCTION(writeProtect),
    FUNCTION(writeProtectRuns),
    FUNCTION(wakeRange),

    FUNCTION(serveFromHere),
    FUNCTION(ownCache),
    FUNCTION(ownUserfaultfd),

    FUNCTION(createMemfd),
    FUNCTION(mapFile),
    FUNCTION(mapAligned),
    FUNCTION(mapAt),
    FUNCTION(protectPages),
    FUNCTION(mapZeroes),
    FUNCTION(unmap),
    FUNCTION(dropPages),
    FUNCTION(residentPages),
    FUNCTION(cachedPages),
    FUNCTION(pageTableEntries),
    FUNCTION(writtenPages),
    FUNCTION(createArrayBuffer),
    FUNCTION(detachArrayBuffer),
    FUNCTION(addressOf),

    FUNCTION(countAsHeld),

    FUNCTION(openBeneath),
    FUNCTION(openDirectory),
    FUNCTION(closeFd),
    FUNCTION(duplicateFd),
    FUNCTION(fileStatus),
    FUNCTION(fileExtents),
    FUNCTION(allocateFile),
    FUNCTION(truncateFile),
    FUNCTION(syncFile),
    FUNCTION(tryLockFile),
    FUNCTION(writeFile),
    FUNCTION(readFile),

    FUNCTION(writebackLines),
    FUNCTION(writebackRuns),
    FUNCTION(diffLines),
    FUNCTION(flushLines),
    FUNCTION(storeFence),

    FUNCTION(copyMemory),
    FUNCTION(fillMemory),
    FUNCTION(touchPages),
    FUNCTION(accessBytes),

    FUNCTION(startTracer),
    FUNCTION(stopTracer),
    FUNCTION(setTracedRange),
    FUNCTION(storeBytes),
    FUNCTION(holdStores),
    FUNCTION(releaseStores),
    FUNCTION(dropStores),
    FUNCTION(openStoreLog),
    FUNCTION(closeStoreLog),
    FUNCTION(setStoreRecording),
    FUNCTION(nameStoreThread),
    FUNCTION(appendStoreRecord),
    FUNCTION(appendStores),
    FUNCTION(storeLogUsed),
    FUNCTION(restartStoreLog),
};

#undef FUNCTION

Napi::Object init(Napi::Env env, Napi::Object exports) {
  installSignalGuard();
  env.SetInstanceData(new Environment);
  napi_set_named_property(env, exports, "constants", constants(env));
  for (const Function& function : kFunctions) {
    napi_value value = nullptr;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  return exports;
}

NODE_API_MODULE(faultline, init)

}  // namespace

}  // namespace faultline
