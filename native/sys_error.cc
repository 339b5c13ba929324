#include "sys_error.h"

#include <cerrno>
#include <cstring>

#include "result.h"

namespace faultline {

const char* errnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "EUNKNOWN";
}

napi_value throwSysError(napi_env env, int error, const char* syscall, const std::string& detail) {
  const char* description = strerrordesc_np(error);
  std::string message = errnoName(error);
  message += ": ";
  message += description != nullptr ? description : "unknown error";
  message += ", ";
  message += syscall;
  if (!detail.empty()) message += ": " + detail;

  Napi::Error object = Napi::Error::New(env, message);
  if (!object.IsEmpty()) {
    Napi::Object properties = object.Value();
    properties.Set("code", errnoName(error));
    properties.Set("errno", error);
    properties.Set("syscall", syscall);
    object.ThrowAsJavaScriptException();
  }
  return nullptr;
}

napi_value undefinedOrThrow(napi_env env, int result, const char* syscall) {
  return result == -1 ? throwSysError(env, errno, syscall) : undefined(env);
}

}  // namespace faultline
