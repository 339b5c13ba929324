#pragma once

#include <napi.h>

namespace faultline {

/** Every number both sides know, by name, so that no value lives twice unchecked. */
Napi::Object constants(Napi::Env env);

}  // namespace faultline
