#pragma once

#include <napi.h>

namespace faultline {

/** Every number both sides know, by name, so that no value lives twice unchecked. */
napi_value constants(napi_env env);

}  // namespace faultline
