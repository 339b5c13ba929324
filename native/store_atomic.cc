#include "store_atomic.h"

#include <cstring>

#include "signal_guard.h"
#include "store_ranges.h"

namespace faultline {

namespace {

/** CF, PF, AF, ZF, SF, OF. */
constexpr greg_t kArithmeticFlags = 0x8d5;
constexpr greg_t kZeroFlag = 0x40;
constexpr unsigned kRax = 0;

/** What the instruction left behind. */
struct Outcome {
  /** In its register; for cmpxchg in rax. */
  uint64_t reg;
  greg_t flags;
};

/** The instruction itself, with the flags it leaves. The stack is kept clear of what the compiler has below it. */
#define WITH_FLAGS(instruction)                  \
  "leaq -128(%%rsp), %%rsp\n\tlock " instruction \
  "\n\tpushfq\n\tpopq %[flags]\n\t"              \
  "leaq 128(%%rsp), %%rsp"

template <typename T>
Outcome execute(StoreUpdate update, void* memory, T value, T expected) {
  greg_t flags = 0;
  switch (update) {
    case StoreUpdate::kAdd:
      asm volatile(WITH_FLAGS("xadd %[value], (%[memory])")
                   : [value] "+r"(value), [flags] "=&r"(flags)
                   : [memory] "r"(memory)
                   : "memory", "cc");
      return {value, flags};
    case StoreUpdate::kCompare:
      asm volatile(WITH_FLAGS("cmpxchg %[value], (%[memory])")
                   : "+a"(expected), [flags] "=&r"(flags)
                   : [value] "r"(value), [memory] "r"(memory)
                   : "memory", "cc");
      return {expected, flags};
    default:
      return {__atomic_exchange_n(static_cast<T*>(memory), value, __ATOMIC_SEQ_CST), 0};
  }
}

/** As a write to a part of a general register does it: 32 bits clear the upper half, 8 and 16 leave the rest. */
template <typename T>
void setRegister(greg_t& reg, T value) {
  if (sizeof(T) == 4) reg = 0;
  memcpy(&reg, &value, sizeof value);
}

template <typename T>
bool storeUpdate(const StoreInstruction& store, mcontext_t& context) {
  greg_t& reg = generalRegister(context, store.sourceRegister);
  T value, expected;
  memcpy(&value, &reg, sizeof value);
  memcpy(&expected, &context.gregs[REG_RAX], sizeof expected);
  volatile uint64_t left = 0;
  volatile greg_t flags = 0;
  const bool made = guarded([&] {
    const Outcome outcome = execute<T>(store.update, storeView(store.address), value, expected);
    left = outcome.reg;
    flags = outcome.flags;
  });
  if (!made) return false;
  const T before = static_cast<T>(left);
  const bool compares = store.update == StoreUpdate::kCompare;
  const bool stored = !compares || (flags & kZeroFlag) != 0;
  if (!compares) setRegister(reg, before);
  if (compares && !stored) setRegister(generalRegister(context, kRax), before);
  if (store.update != StoreUpdate::kExchange) {
    context.gregs[REG_EFL] = (context.gregs[REG_EFL] & ~kArithmeticFlags) | (flags & kArithmeticFlags);
  }
  const T after = store.update == StoreUpdate::kAdd ? static_cast<T>(before + value) : value;
  if (stored) recordStore(store.address, reinterpret_cast<const uint8_t*>(&after), sizeof after, false);
  context.gregs[REG_RIP] += store.length;
  return true;
}

}  // namespace

bool storeAtomic(const StoreInstruction& store, mcontext_t& context) {
  switch (store.update == StoreUpdate::kNone ? 0 : store.width) {
    case 1:
      return storeUpdate<uint8_t>(store, context);
    case 2:
      return storeUpdate<uint16_t>(store, context);
    case 4:
      return storeUpdate<uint32_t>(store, context);
    case 8:
      return storeUpdate<uint64_t>(store, context);
    default:
      return false;
  }
}

}  // namespace faultline
