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

  napi_value object = nullptr;
  napi_create_error(env, toJs(env, errnoName(error)), toJs(env, message.c_str()), &object);
  napi_set_named_property(env, object, "errno", toJs(env, error));
  napi_set_named_property(env, object, "syscall", toJs(env, syscall));
  napi_throw(env, object);
  return nullptr;
}

napi_value undefinedOrThrow(napi_env env, int result, const char* syscall) {
  return result == -1 ? throwSysError(env, errno, syscall) : undefined(env);
}

}  // namespace faultline
