#include "tracer.h"

#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "address_range.h"
#include "signal_guard.h"
#include "store_atomic.h"
#include "store_for_thread.h"
#include "store_instruction.h"
#include "store_lock.h"
#include "store_ranges.h"
#include "tracer_signals.h"

namespace faultline {

namespace {

/** REG_ERR of a page fault. */
constexpr greg_t kWasStore = 2;
constexpr greg_t kTrapFlag = 0x100;
constexpr greg_t kZeroFlag = 0x40;

/** What may still come during a stepped instruction: signals that it raises itself. */
constexpr uint64_t bit(int signal) {
  return uint64_t{1} << (signal - 1);
}
constexpr uint64_t kSteppedMask = ~(bit(SIGSEGV) | bit(SIGBUS) | bit(SIGTRAP) | bit(SIGILL) | bit(SIGFPE));

/** The store this thread is executing with the trap flag. */
struct Step {
  bool active;
  StoreInstruction store;
  uint64_t signalMask;
};

thread_local constinit Step step [[gnu::tls_model("initial-exec")]] = {};

/** The kernel's part of sigset_t, which is all there is on its stack. */
uint64_t& signalMask(ucontext_t* context) {
  return *reinterpret_cast<uint64_t*>(&context->uc_sigmask);
}

greg_t addressShift(const StoreInstruction& store) {
  return static_cast<greg_t>(kStoreViewDistance / store.scale);
}

void beginStep(const StoreInstruction& store, ucontext_t* context) {
  step.active = true;
  step.store = store;
  step.signalMask = signalMask(context);
  signalMask(context) = kSteppedMask;
  mcontext_t& registers = context->uc_mcontext;
  generalRegister(registers, static_cast<unsigned>(store.addressRegister)) += addressShift(store);
  registers.gregs[REG_EFL] |= kTrapFlag;
  keepTrapHandler();
}

void endStep(ucontext_t* context) {
  mcontext_t& registers = context->uc_mcontext;
  generalRegister(registers, static_cast<unsigned>(step.store.addressRegister)) -= addressShift(step.store);
  registers.gregs[REG_EFL] &= ~kTrapFlag;
  signalMask(context) = step.signalMask;
  step.active = false;
}

/** Bit i: element i is stored. */
uint64_t storedElements(const StoreInstruction& store, const mcontext_t& context) {
  const size_t elements = store.width / store.elementBytes;
  const uint64_t all = elements == 64 ? ~uint64_t{0} : (uint64_t{1} << elements) - 1;
  if (store.kind == StoreKind::kSignMask) {
    uint8_t signs[64];
    vectorRegister(context, store.mask, signs);
    uint64_t mask = 0;
    for (size_t i = 0; i < elements; i++) {
      mask |= static_cast<uint64_t>(signs[(i + 1) * store.elementBytes - 1] >> 7) << i;
    }
    return mask;
  }
  const uint64_t mask = store.mask == 0 ? all : maskRegister(context, store.mask) & all;
  if (store.kind == StoreKind::kOpmask) return mask;
  const int packed = std::popcount(mask);
  return packed == 64 ? ~uint64_t{0} : (uint64_t{1} << packed) - 1;
}

void recordStepped(const StoreInstruction& store, const mcontext_t& context) {
  if (store.kind == StoreKind::kIfEqual && (context.gregs[REG_EFL] & kZeroFlag) == 0) return;
  uint8_t bytes[64];
  const bool whole = store.kind <= StoreKind::kMovs;
  const uint64_t mask = whole ? 1 : storedElements(store, context);
  const size_t unit = whole ? store.width : store.elementBytes;
  for (uint64_t left = mask; left != 0;) {
    const auto first = static_cast<size_t>(std::countr_zero(left));
    const auto run = static_cast<size_t>(std::countr_one(left >> first));
    const uintptr_t at = store.address + first * unit;
    // Elements beyond what is mapped may be masked out, so only what was stored is read.
    if (guarded([&] { memcpy(bytes, storeView(at), run * unit); })) {
      recordStore(at, bytes, run * unit, store.nonTemporal);
    }
    left = first + run == 64 ? 0 : left >> (first + run) << (first + run);
  }
}

/** Return: false when it is no store that is known, or its address is not the one that faulted. */
bool makeStore(uintptr_t address, ucontext_t* context) {
  mcontext_t& registers = context->uc_mcontext;
  const StoreInstruction store = decodeStore(registers);
  if (store.width == 0 || address < store.address || address - store.address >= store.width) return false;
  const bool string = store.kind == StoreKind::kStos || store.kind == StoreKind::kMovs;
  if (string                               ? storeString(store, registers)
      : store.update != StoreUpdate::kNone ? storeAtomic(store, registers)
                                           : storeForThread(store, registers)) {
    unlockStores();
    return true;
  }
  if (store.addressRegister < 0) return false;
  beginStep(store, context);
  return true;
}

}  // namespace

bool traceStore(siginfo_t* info, void* raw) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (!isTraced(address)) return false;
  auto* context = static_cast<ucontext_t*>(raw);
  const int saved = errno;
  lockStores();
  const TracedRange* range = findTraced(address);
  const bool store = (context->uc_mcontext.gregs[REG_ERR] & kWasStore) != 0;
  const bool traced = range != nullptr && store;
  const bool made = traced && makeStore(address, context);
  if (!made) unlockStores();
  if (traced && !made) reportUnknownStore(reinterpret_cast<const uint8_t*>(context->uc_mcontext.gregs[REG_RIP]));
  errno = saved;
  return made;
}

bool finishStep(void* raw) {
  if (!step.active) return false;
  auto* context = static_cast<ucontext_t*>(raw);
  endStep(context);
  recordStepped(step.store, context->uc_mcontext);
  unlockStores();
  return true;
}

bool abandonStep(siginfo_t* info, void* raw) {
  const bool ofView = isStoreView(reinterpret_cast<uintptr_t>(info->si_addr));
  if (ofView) {
    info->si_addr = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(info->si_addr) - kStoreViewDistance);
  }
  if (!step.active) return ofView;
  endStep(static_cast<ucontext_t*>(raw));
  sigset_t mask;
  sigemptyset(&mask);
  memcpy(&mask, &step.signalMask, sizeof step.signalMask);
  // A guard that abandons its body does not come back through the handler.
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  unlockStores();
  return true;
}

}  // namespace faultline
