#include "store_forms.h"

#include <napi.h>

#include <cstring>
#include <string>

/** The test addon: storeForms() lists them, runStoreForm(index, to, from) executes one. */
namespace faultline {

namespace {

const StoreForm& formAt(uint32_t index) {
  return index < kIntegerFormCount ? kIntegerForms[index] : kVectorForms[index - kIntegerFormCount];
}

bool supported(const std::string& feature) {
  if (feature == "sse2") return true;
  if (feature == "sse4.2") return __builtin_cpu_supports("sse4.2") != 0;
  if (feature == "avx2") return __builtin_cpu_supports("avx2") != 0;
  if (feature == "avx512f") return __builtin_cpu_supports("avx512f") != 0;
  if (feature == "avx512vl") return __builtin_cpu_supports("avx512vl") != 0;
  if (feature == "avx512bw") return __builtin_cpu_supports("avx512bw") != 0;
  if (feature == "avx512vbmi2") return __builtin_cpu_supports("avx512vbmi2") != 0;
  return false;
}

Napi::Value storeForms(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array forms = Napi::Array::New(env);
  for (uint32_t i = 0; i < kIntegerFormCount + kVectorFormCount; i++) {
    const StoreForm& form = formAt(i);
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", form.name);
    object.Set("spans", form.spans);
    object.Set("alignment", form.alignment);
    object.Set("supported", supported(form.needs));
    forms.Set(i, object);
  }
  return forms;
}

/** index, address to store to, address of 256 bytes. */
Napi::Value runStoreForm(const Napi::CallbackInfo& info) {
  const auto address = [&](size_t i) { return static_cast<uintptr_t>(info[i].As<Napi::Number>().Int64Value()); };
  formAt(info[0].As<Napi::Number>().Uint32Value())
      .run(reinterpret_cast<uint8_t*>(address(1)), reinterpret_cast<const uint8_t*>(address(2)));
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("storeForms", Napi::Function::New(env, storeForms));
  exports.Set("runStoreForm", Napi::Function::New(env, runStoreForm));
  return exports;
}

NODE_API_MODULE(store_forms, init)

}  // namespace

}  // namespace faultline
