#include "fault_port.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "args.h"
#include "environment.h"
#include "fault_record.h"
#include "result.h"
#include "sys_error.h"
#include "uffd_read.h"
#include "uffd_resolve.h"

namespace faultline {

namespace {

FaultPort* portOf(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<FaultPort*>(data);
}

FaultRecords recordsOf(const FaultPort& port, double half) {
  return {port.box + kPortRecords + (half == 1 ? port.half : 0), port.half};
}

/** What JS wrote may be anything: a number out of range is the nearest one in it, NaN is 0. */
double within(double value, double most) {
  return value > 0 ? std::fmin(value, most) : 0;
}

uint64_t addressIn(double value) {
  return static_cast<uint64_t>(within(value, static_cast<double>(kUserAddressEnd)));
}

napi_value portRead(napi_env env, napi_callback_info info) {
  const FaultPort& port = *portOf(env, info);
  const double spinUs = within(port.box[kPortSpin], kSpinUsMax);
  const double timeoutMs = within(port.box[kPortTimeout], Args::kMillisecondsMax);
  const int faults = waitAndRead(port.uffd, port.stopEvent, recordsOf(port, port.box[kPortHalf]), spinUs, timeoutMs);
  if (faults < kFaultsStopped) return throwSysError(env, -(faults + 1), "read userfaultfd");
  return toJs(env, faults);
}

void giveHeld(FaultPort& port) {
  if (port.heldEnd == 0) return;
  wakePages(port.uffd, {port.heldStart, port.heldEnd - port.heldStart});
  port.heldEnd = 0;
}

void hold(FaultPort& port, const AddressRange& page) {
  port.heldStart = port.heldEnd == 0 ? page.start : std::min(port.heldStart, page.start);
  port.heldEnd = std::max(port.heldEnd, page.end());
}

int64_t resolvePage(const FaultPort& port, const AddressRange& page, uint64_t dontWake) {
  const double operation = port.box[kPortOperation];
  const uint64_t mode = (port.box[kPortMode] == 0 ? 0 : kResolveWp) | dontWake;
  if (operation == kPortCopy) return copyPages(port.uffd, page, addressIn(port.box[kPortSource]), mode);
  return operation == kPortContinue ? continuePages(port.uffd, page, mode) : setProtection(port.uffd, page, dontWake);
}

int64_t resolve(FaultPort& port) {
  if (port.box[kPortOperation] == kPortWake) {
    giveHeld(port);
    return 0;
  }
  const auto address = addressIn(port.box[kPortAddress]);
  const AddressRange page{address & ~(kPageSize - 1), kPageSize};
  if (!page.inUserSpace()) return -EINVAL;
  const bool holds = port.box[kPortHold] != 0;
  if (!holds && port.heldEnd == 0) return resolvePage(port, page, 0);
  const int64_t result = resolvePage(port, page, kResolveDontWake);
  if (result >= 0) hold(port, page);
  if (!holds) giveHeld(port);
  return result;
}

napi_value portResolve(napi_env env, napi_callback_info info) {
  FaultPort& port = *portOf(env, info);
  const int64_t error = resolve(port);
  const double half = port.box[kPortHalf];
  const int ahead = half < 0 ? 0 : readAhead(port.uffd, recordsOf(port, half));
  port.box[kPortAhead] = ahead;
  return toJs(env, error);
}

}  // namespace

/**
 * createFaultPort(uffd, stopEvent, mailbox): {read, resolve}. The environment owns the port, since the functions may
 * outlive the object; there is one for each fault worker.
 */
napi_value createFaultPort(napi_env env, napi_callback_info info) {
  Args args(env, info, "createFaultPort");
  const int uffd = args.integer(0);
  const int stopEvent = args.integer(1);
  const View<double> box = args.float64s(2, kPortRecords + 2 * (kRecordFirst + kRecordSize));
  if (!args.ok()) return nullptr;
  if (!args.isShared(2)) {
    args.failType(2, "a Float64Array over a SharedArrayBuffer, which nobody can detach");
    return nullptr;
  }
  napi_ref keep = nullptr;
  napi_create_reference(env, args.raw(2), 1, &keep);
  auto& ports = Environment::of(env)->faultPorts;
  ports.push_back(std::make_unique<FaultPort>(FaultPort{uffd, stopEvent, box.data, (box.length - kPortRecords) / 2}));
  napi_value result = nullptr;
  napi_value read = nullptr;
  napi_value resolve = nullptr;
  napi_create_object(env, &result);
  napi_create_function(env, "read", NAPI_AUTO_LENGTH, portRead, ports.back().get(), &read);
  napi_create_function(env, "resolve", NAPI_AUTO_LENGTH, portResolve, ports.back().get(), &resolve);
  napi_set_named_property(env, result, "read", read);
  napi_set_named_property(env, result, "resolve", resolve);
  return result;
}

}  // namespace faultline
