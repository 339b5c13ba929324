#pragma once

#include <napi.h>

#include <cstddef>

#include "flush_line.h"

namespace faultline {

struct CpuFeatures {
  FlushKind flush;
  bool nonTemporalStores;
  size_t cacheLineSize;
};

/** Of the CPU we run on; asked once a process. */
const CpuFeatures& cpuFeatures();

napi_value cpuInfo(napi_env env, napi_callback_info info);
napi_value threadId(napi_env env, napi_callback_info info);
napi_value setAffinity(napi_env env, napi_callback_info info);
napi_value getAffinity(napi_env env, napi_callback_info info);

}  // namespace faultline
